"""How many files and connections this process may have open."""

import resource

from connector.errors import StartupError

# With fewer, a process with its log, its database and Kafka's connections fails under load.
LEAST = 128


def allow(needed: int) -> int:
    """Raise the soft limit towards ``needed``; gives how many may be open.

    Raises ``StartupError`` where the hard limit is too low to work with.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return needed
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if allowed < LEAST:
        raise StartupError(
            f"This process may have only {allowed} files open, and needs at least {LEAST}.",
            "raise the limit: ulimit -n 4096 in the shell, LimitNOFILE=4096 in systemd, --ulimit nofile=4096 "
            "in Docker",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed
