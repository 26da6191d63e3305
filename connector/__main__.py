"""The program ``connector``; ``python -m connector`` is the same."""

import signal

LISTENS = signal.getsignal(signal.SIGINT) is signal.default_int_handler


def main() -> None:
    """Load the commands and run one; Ctrl-C ends it without a traceback, while it loads too."""
    if LISTENS:  # not in a shell's background
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from connector import cli  # noqa: PLC0415 - it takes a moment

    if LISTENS:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    cli.main()


if __name__ == "__main__":
    main()
