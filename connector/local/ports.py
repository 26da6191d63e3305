"""Free TCP ports of 127.0.0.1 for servers that come and go."""

import json
import os
import secrets
import socket
from collections.abc import Sequence
from pathlib import Path

SERVER_PORTS = range(20_000, 32_768)
EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
SHARES = 16
ATTEMPTS = 200
_given: set[int] = set()


def port_is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen on the port now (a port in TIME_WAIT counts as free)."""
    return port_trouble(port, host) is None


def port_trouble(port: int, host: str) -> OSError | None:
    """Why no server can listen on the port now; None when one can."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error
    return None


def free_port() -> int:
    """Choose a free port below the range from which the system takes ports for outgoing connections.

    A client that keeps trying to reach a server that is away can, by chance, get the server's own
    port for its end of the connection and so connect to itself, and the server can never listen
    again. Below the ephemeral range that cannot happen.

    A port is given once: between the choice and the server's listening it is free for others, too.
    So no process gives a port twice, and processes that start one after the other, such as the
    parts of a test run, each choose from a share of their own.
    """
    end = SERVER_PORTS.stop
    if EPHEMERAL_RANGE.exists():  # a tuned machine may start its ephemeral ports lower
        first = int(EPHEMERAL_RANGE.read_text().split()[0])
        end = min(first, end) if first > SERVER_PORTS.start else end
    share = range(SERVER_PORTS.start + os.getpid() % SHARES, end, SHARES)
    for _ in range(ATTEMPTS if share else 0):
        port = secrets.choice(share)
        if port not in _given and port_is_free(port):
            _given.add(port)
            return port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def remembered_ports(file: Path, names: Sequence[str]) -> dict[str, int]:
    """Give the ports of the last time if they are still free, else new ones, noted in ``file``."""
    ports: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}
    if set(ports) != set(names) or not all(port_is_free(port) for port in ports.values()):
        ports = {name: free_port() for name in names}
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(ports))
    return ports
