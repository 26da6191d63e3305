"""The configuration that the connector ships: in a wheel within the package, in a checkout beside it."""

import os
from pathlib import Path

from connector.config import FILES
from connector.errors import StartupError

PACKAGE = Path(__file__).parent


def folder() -> Path:
    """The folder with the shipped YAML files; they are to be read, not changed."""
    within = PACKAGE / "shipped_config"
    return within if within.is_dir() else PACKAGE.parent / "config"


def write(to: Path) -> dict[str, bool]:
    """Write the shipped files into a folder, and say of each whether it was written.

    A file that is there stays as it is. Raises ``StartupError`` where the folder cannot be written.
    """
    try:
        to.mkdir(parents=True, exist_ok=True)
        return {name: _write_new(to / name, (folder() / name).read_bytes()) for name in FILES}
    except OSError as error:
        raise StartupError(
            f"The configuration cannot be written to {to}: {error.strerror}.", "name a folder of your own"
        ) from error


def _write_new(file: Path, text: bytes) -> bool:
    """Write a file that is not there, whole or not at all; its owner may change it, and others read it."""
    if os.path.lexists(file):
        return False
    scratch = file.with_name(f".{file.name}.{os.getpid()}")
    scratch.write_bytes(text)
    try:
        os.link(scratch, file)  # unlike a rename it replaces nothing
    except FileExistsError:
        return False
    finally:
        scratch.unlink()
    return True
