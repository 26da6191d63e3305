"""What a database URL may say: judged by its text alone, so that it never waits for a server.

libpq takes a URL apart in its own way (PostgreSQL's manual, "Connection URIs"), and what it cannot
read it quotes, password and all. So every fault is found here first, in words that hold no part of
the URL but a parameter's name, and that only where it cannot be a piece of a password.
"""

import difflib
import re
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Self
from urllib.parse import parse_qsl, unquote

SCHEME = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9]*)(?:\+[A-Za-z0-9_]+)?:")
NAME = re.compile(r"[a-z][a-z_]*")
PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
STARRED = re.compile(r"(?i)((?:^|[?&])(?:ssl)?password=)[^&]*")
MAX_PORT = 65535

# The parameters of libpq 18, but for replication: such a session takes no ordinary statement.
NUMBERS = frozenset(
    (
        *("connect_timeout", "keepalives", "keepalives_count", "keepalives_idle"),
        *("keepalives_interval", "tcp_user_timeout"),
    )
)
PARAMETERS = NUMBERS | frozenset(
    (
        *("application_name", "channel_binding", "client_encoding", "dbname"),
        *("fallback_application_name", "gssdelegation", "gssencmode", "gsslib", "host", "hostaddr"),
        *("krbsrvname", "load_balance_hosts", "max_protocol_version", "min_protocol_version"),
        *("oauth_client_id", "oauth_client_secret", "oauth_issuer", "oauth_scope", "options"),
        *("passfile", "password", "port", "require_auth", "requirepeer", "scram_client_key"),
        *("scram_server_key", "service", "ssl", "ssl_max_protocol_version"),
        *("ssl_min_protocol_version", "sslcert", "sslcertmode", "sslcompression", "sslcrl"),
        *("sslcrldir", "sslkey", "sslkeylogfile", "sslmode", "sslnegotiation", "sslpassword"),
        *("sslrootcert", "sslsni", "target_session_attrs", "user"),
    )
)
CHOICES = {
    "channel_binding": "disable prefer require",
    "gssencmode": "disable prefer require",
    "load_balance_hosts": "disable random",
    "ssl": "true",
    "sslmode": "disable allow prefer require verify-ca verify-full",
    "sslnegotiation": "postgres direct",
    "target_session_attrs": "any read-write read-only primary standby prefer-standby",
}

Fault = tuple[str, str]
"""What is wrong, and what to write instead."""


def fault(url: str) -> Fault | None:
    """The first thing that is wrong with a database URL, or None; never any part of a password."""
    scheme = SCHEME.match(url)
    name = scheme["name"] if scheme else ""
    if url != url.strip():
        return "starts or ends with a blank or a line end", "Remove it."
    if any(ord(letter) < ord(" ") or letter == "\x7f" for letter in url):
        return "holds a line end or another control character", "Remove it."
    found = next((one for one in Backend if name.lower() in one.schemes), None)
    if found is None:
        labels = " or ".join(one.label for one in Backend)
        examples = " or ".join(one.example for one in Backend)
        return f"names no database that the mirror can live in: {labels}", f"Write {examples}."
    if name != name.lower():
        return "starts with capital letters", f"Write {name.lower()}:// in small ones."
    return next(found.faults(url.partition(":")[2]), None)


def without_password(url: str) -> str:
    """The URL with its passwords starred out, also those among the parameters; nothing of a faulty one."""
    if fault(url):
        return "(a database URL with a fault)"
    start, _, rest = url.partition("://")
    authority, mark, query = rest.partition("?")
    login, at, place = authority.rpartition("@")
    user, colon, _ = login.partition(":")
    shown = f"{user}{colon}{'***' if colon else ''}{at}{place}"
    return f"{start}://{shown}{mark}" + STARRED.sub(r"\1***", query)


def _sqlite_faults(rest: str) -> Iterator[Fault]:
    slashes = rest[: 3 if rest.startswith("///") else len(rest) - len(rest.lstrip("/"))]
    path = rest.removeprefix(slashes)
    kept = "Write sqlite:///path/to/mirror.db (or sqlite:////path/… from the root on)."
    if path.partition("?")[0] in ("", ":memory:") or path.startswith(("file:", ":memory:")):
        what = "names no file" if not path.startswith((":memory:", "file:")) else "names no plain file"
        yield f"{what}, and a database in memory is gone with the process", kept
    elif slashes != "///":
        yield "needs three slashes after sqlite:", kept
    elif "?" in path:
        yield "has a ? in it, and SQLite takes no parameters here", "Remove them; in a path write ? as %3F."
    elif path.startswith("~"):
        yield "starts its path with ~, which nothing expands here", "Write the path from the root on."
    elif _encodes_nothing(path):
        yield "has a per cent sign that encodes nothing", "Write % as %25."


def _encodes_nothing(text: str) -> bool:
    """Whether a per cent sign stands for no character: without two digits, for a NUL, or for no UTF-8."""
    try:
        return bool(PERCENT.search(text)) or "\x00" in unquote(text, errors="strict")
    except UnicodeDecodeError:
        return True


def _postgresql_faults(rest: str) -> Iterator[Fault]:
    if not rest.startswith("//"):
        yield "has no // after its scheme", f"Write {Backend.postgresql.example}."
        return
    rest = rest.removeprefix("//")
    where, _, query = rest.partition("?")
    authority, _, path = where.partition("/")
    login, _, hosts = authority.rpartition("@")
    pairs = [part.partition("=") for part in query.split("&") if query]
    clean = all(NAME.fullmatch(name) and sign and "@" not in name for name, sign, _ in pairs)
    parameters = {name for name, _, _ in pairs}
    encode = (
        "Encode these in user, password, path and parameters: % as %25, @ as %40, : as %3A, / as %2F, "
        "? as %3F, # as %23, [ as %5B, ] as %5D, a blank as %20."
    )
    # What stands before an @ that comes late is a password, in all likelihood: then nothing is quoted.
    torn = "@" in path or ("@" in query and not clean)
    if torn or "#" in rest or "@" in login or set(login) & set("[] ") or login.count(":") > 1:
        yield "holds a character in user or password that must be encoded", encode
    elif _encodes_nothing(rest):
        yield "has a per cent sign that encodes nothing", encode
    elif " " in rest:
        yield "holds a blank", encode
    elif "/" in path:
        yield "has more than one / after the host", "Name one database; write / in its name as %2F."
    elif not (clean or not query):
        yield "has parameters that are not name=value", "Write ?name=value&name=value."
    else:
        yield from _parameter_faults(query)
        if not hosts.strip(",") and not parameters & {"host", "hostaddr", "service"}:
            cure = "Write postgresql://user:password@host/database; for a socket ?host=/var/run/postgresql."
            yield "names no host", cure
        for host in hosts.split(","):
            address = re.fullmatch(r"(?:\[[0-9A-Fa-f:.%]+\]|[^:\[\]]*)(?::(\d*))?", host)
            if address is None or (address[1] and not 0 < int(address[1]) <= MAX_PORT):
                cure = "Write host:port, an IPv6 address in brackets: [::1]:5432."
                yield "has a port that is no number from 1 to 65535, or no host before it", cure


def _parameter_faults(query: str) -> Iterator[Fault]:
    for name, value in parse_qsl(query, keep_blank_values=True):
        choices = CHOICES.get(name, "").split()
        if name not in PARAMETERS:
            near = difflib.get_close_matches(name, PARAMETERS, n=1, cutoff=0.6)
            cure = (
                f"Did you mean {near[0]!r}?" if near else "PostgreSQL's manual lists them: libpq, parameters."
            )
            yield f"has the parameter {name!r}, which libpq does not know", cure
        elif choices and value not in choices:
            yield f"has a value for {name} that libpq does not know", f"Write one of {', '.join(choices)}."
        elif name in NUMBERS and not value.isdecimal():
            yield f"has a value for {name} that is no whole number", "Write digits alone."
        elif not value and name not in ("password", "options"):
            yield f"has no value for {name}", "Give one, or remove it."


class Backend(StrEnum):
    """The databases that a mirror can be in, by scheme; each has its ``Dialect`` in the mirror.

    ``example`` is a URL, and ``faults`` finds what is wrong with what follows the scheme's colon. ``schemes``
    are all that it goes by.
    """

    label: str
    example: str
    faults: Callable[[str], Iterator[Fault]]
    schemes: tuple[str, ...]

    postgresql = (
        *("postgresql", "PostgreSQL", "postgresql://user:password@host/database"),
        *(_postgresql_faults, "postgres"),
    )
    sqlite = "sqlite", "SQLite", "sqlite:///path/to/mirror.db", _sqlite_faults

    def __new__(
        cls, scheme: str, label: str, example: str, faults: Callable[[str], Iterator[Fault]], *others: str
    ) -> Self:
        made = str.__new__(cls, scheme)
        made._value_ = scheme
        made.label, made.example, made.faults, made.schemes = label, example, faults, (scheme, *others)
        return made

    @classmethod
    def of(cls, url: str) -> Self:
        """The database of a URL without faults."""
        return next(one for one in cls if url.partition(":")[0].partition("+")[0] in one.schemes)
