"""What a person sees when a command cannot go on: what happened, where, and what fixes it.

The connector's own errors say it by themselves. The rest comes from the machine that it runs on, and the
system's error number selects the fix.
"""

import contextlib
import errno
import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text
from typing_extensions import override

from connector.errors import ConfigError, ConnectorError, DatabaseOutage, KafkaOutage, StartupError
from connector.safe_text import plain, plain_lines

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

FAILED, CONFIGURATION, UNEXPECTED = 1, 2, 70  # the last is EX_SOFTWARE of sysexits.h
SMALLEST_LIMIT = 1024
KAFKA_FIX = "start Kafka (make up brings one), or set KAFKA_BOOTSTRAP_SERVERS or --kafka"
OTHER_PLACE = "name another folder: --data-dir, gateway.spool_path or DATABASE_URL"
OTHER_PORT = "choose another port or address: --port, --admin-port, gateway.host"
FIXES = {
    errno.EACCES: f"run as its owner, give it to this user (chown), or {OTHER_PLACE}",
    errno.EPERM: f"run as its owner, give it to this user (chown), or {OTHER_PLACE}",
    errno.EROFS: f"mount its disk for writing, or {OTHER_PLACE}",
    errno.ENOSPC: f"free space on its disk, or {OTHER_PLACE}",
    errno.EDQUOT: f"free space within this user's quota, or {OTHER_PLACE}",
    errno.EFBIG: "raise the limit of a file's size (ulimit -f)",
    errno.EIO: f"check its disk (dmesg), or {OTHER_PLACE}",
    errno.EMFILE: f"raise the limit of open files (ulimit -n {SMALLEST_LIMIT}, LimitNOFILE= in systemd)",
    errno.ENFILE: "raise the system's limit of open files (sysctl fs.file-max)",
    errno.ENOMEM: "give this process more memory",
    errno.EAGAIN: "raise the limit of processes and threads (ulimit -u, TasksMax= in systemd)",
    errno.ENOENT: "make it, or name another",
    errno.ENOTDIR: "name a folder",
    errno.EISDIR: "name a file",
    errno.ELOOP: "name the file itself: this is a link to itself",
    errno.ENAMETOOLONG: "name a shorter one",
    errno.EADDRINUSE: OTHER_PORT,
    errno.EADDRNOTAVAIL: OTHER_PORT,
}
OUTPUT = 1
STANDARD_OUTPUT = "standard output"
OUTPUT_FIX = "have it go to a file or a program that takes it (>FILE, or >/dev/null)"
REPORT = "run it again with --debug, and report what that prints"

_err = Console(stderr=True, highlight=False, soft_wrap=True)


def report(error: Exception) -> int:
    """Print an error to standard error; gives the exit code."""
    if isinstance(error, ConfigError):
        count = len(error.findings)
        _say(f"Invalid configuration: {count} error{'s' * (count > 1)}", style="bold red")
        for finding in error.findings:
            _say(f"  {plain(str(finding))}")
        return CONFIGURATION
    what, cure = _explained(error)
    _say(plain_lines(what).replace("\n", "\n  "), style="red")
    if cure:
        _say(f"  Fix: {plain(cure)}")
    shown, cause = what + (cure or ""), error.__cause__ if isinstance(error, ConnectorError) else None
    while cause is not None:
        # The first line of what lies behind it, unless that was shown already.
        line = (str(cause).strip().splitlines() or [""])[0]
        if line and line not in shown and shown not in line:
            _say(f"  because: {plain(f'{type(cause).__name__}: {line}')}")
            shown += line
        cause = cause.__cause__
    _say("  (more with --debug)", style="dim")
    return FAILED if isinstance(error, ConnectorError | OSError) else UNEXPECTED


def flush_output(*, reported: bool = False) -> int:
    """Write out what standard output still holds; gives 0, or the exit code of a failure.

    A reader that stops (``| head``) has all that it asked for, so that is not printed; nor is anything where
    another failure was ``reported`` already.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        with contextlib.suppress(OSError):
            # What is left goes nowhere, or Python would try again at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), OUTPUT)
        if not reported and not isinstance(error, BrokenPipeError):
            report(error)
        return FAILED
    return 0


class _Output(io.FileIO):
    """Standard output, whose errors say that they are its own."""

    @override
    def write(self, data: "ReadableBuffer", /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OSError(error.errno, error.strerror, STANDARD_OUTPUT) from None


def prepare_standard_streams() -> None:
    """Open standard streams that were closed, so that no other file takes their numbers.

    Writing to a standard output that was closed fails, as for any program. What a stream cannot encode is
    written out.
    """
    for number, flags in ((0, os.O_RDONLY), (OUTPUT, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, flags)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
    encoding = sys.stdout.encoding if sys.stdout else "utf-8"
    raw = io.BufferedWriter(_Output(OUTPUT, "a", closefd=False))
    sys.stdout = io.TextIOWrapper(raw, encoding, "backslashreplace", line_buffering=os.isatty(OUTPUT))
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - for as long as the process
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115


def _say(text: str, *, style: str = "") -> None:
    with contextlib.suppress(OSError):  # nobody is there to read it
        _err.print(Text(text, style=style))


def _explained(error: Exception) -> tuple[str, str | None]:
    """What happened and where, and what fixes it."""
    if isinstance(error, StartupError):
        return error.what, error.cure
    if isinstance(error, KafkaOutage):
        return str(error), KAFKA_FIX
    if isinstance(error, ConnectorError):
        from connector.mirror import remedies  # noqa: PLC0415 - the drivers, when they were loaded anyway

        return str(error), remedies.fix(error) or (
            remedies.START_IT if isinstance(error, DatabaseOutage) else None
        )
    if isinstance(error, OSError):
        return _explained_system(error)
    return f"Something unexpected happened: {type(error).__name__}: {error}", REPORT


def _explained_system(error: OSError) -> tuple[str, str]:
    what = error.strerror or str(error) or type(error).__name__
    if error.filename == STANDARD_OUTPUT:
        return f"{STANDARD_OUTPUT.capitalize()} cannot be written: {what}.", OUTPUT_FIX
    if error.errno == errno.ENOENT:
        try:
            Path.cwd()
        except OSError:
            return "The folder that this runs in is not there any more.", "cd into one that is"
    where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
    return f"{where}{what}.", FIXES.get(error.errno or 0, REPORT)
