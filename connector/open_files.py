"""How many files and connections this process may have open."""

import resource

from connector.errors import StartupError

# Below it a process with its log, its database and Kafka's connections fails at its first busy moment.
LEAST = 128


def allow(wanted: int) -> int:
    """Raise the soft limit towards ``wanted``; gives how many may be open.

    Raises ``StartupError`` where the hard limit is too low to work with.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if allowed < LEAST:
        raise StartupError(
            f"This process may have only {allowed} files open, and needs {LEAST} at the least.",
            "raise the limit: ulimit -n 4096 in the shell, LimitNOFILE=4096 in systemd, --ulimit nofile=4096 "
            "in Docker",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed
