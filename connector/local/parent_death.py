"""Has a program end with the process that started it, then becomes that program.

Run as a script, never imported: ``python -I -S parent_death.py PARENT_PID SIGNAL PROGRAM ARGUMENT…``.
On Linux the kernel sends SIGNAL to the program when the *thread* that started it ends, so a
``kill -9`` of ``connector up`` leaves no broker, gateway or worker behind. Elsewhere it only runs
the program. It is a program of its own because Python code between fork and exec (``preexec_fn``)
can deadlock as soon as the parent has a second thread, and a progress bar is one.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
"""From ``<linux/prctl.h>``."""


def main(arguments: list[str]) -> None:
    """Have the kernel end this process with its parent, and become the program; never returns."""
    parent, death_signal, program = int(arguments[0]), int(arguments[1]), arguments[2:]
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal)
    if os.getppid() != parent:
        # The parent died before that: nothing would ever stop this program.
        sys.exit(1)
    try:
        os.execvp(program[0], program)  # noqa: S606 (no shell is the point)
    except OSError as error:
        sys.exit(f"cannot run {program[0]}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
