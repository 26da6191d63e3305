"""How far a shop has come, kept in a file, so that the next run goes on there."""

import os
from pathlib import Path

import msgspec

from connector.errors import StartupError


class Progress(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``left`` deliveries have left; 0 while a history is not on Kafka yet.

    A history is ``days`` long and ends at ``until`` (microseconds since 1970).
    """

    left: int = 0
    days: int = 0
    until: int = 0
    seed: int


_decoder = msgspec.json.Decoder(Progress | int)


class ResumeFile:
    """The file, which may be missing or empty; without a ``path`` nothing is kept."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def read(self, seed: int | None = None) -> Progress:
        """What is kept; raises ``StartupError`` for that of a shop with another seed than this one."""
        try:
            text = self._path.read_bytes() if self._path and self._path.exists() else b""
            kept: Progress | int = _decoder.decode(text) if text.strip() else 0
        except (OSError, msgspec.DecodeError) as error:
            raise self._unusable(error) from None
        if isinstance(kept, int):  # as an earlier version wrote it
            return Progress(left=kept, seed=seed or 0)
        if seed is not None and kept.seed != seed:
            what = f"The file {self._path} belongs to the shop of seed {kept.seed}."
            raise StartupError(what, f"Give --seed {kept.seed}, or another folder.")
        return kept

    def write(self, progress: Progress) -> None:
        if self._path is None:
            return
        scratch = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            scratch.write_bytes(msgspec.json.encode(progress))
            scratch.replace(self._path)
        except OSError as error:
            raise self._unusable(error) from None

    def _unusable(self, error: Exception) -> StartupError:
        what = f"The file {self._path} cannot keep how many deliveries have left: {error}."
        return StartupError(what, "Name another one with --resume, or remove it to start again.")
