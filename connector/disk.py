"""How much the connector may still write where it keeps its spool or its mirror."""

import asyncio
import shutil
from pathlib import Path

from connector import metrics

# Less than both is trouble: a share means nothing on a small disk, and little on a large one.
LOW_SHARE = 0.05
LOW_BYTES = 1 << 30
MIB = 1 << 20


class Disk:
    """A note for ``Health``: measures one folder's file system, shows it, and says when it is nearly full."""

    def __init__(self, of: str, folder: Path, *, setting: str) -> None:
        """``of`` is what is kept there: ``spool`` or ``mirror``; ``setting`` is where the folder is set."""
        self._of = of
        self._folder = folder
        self._setting = setting

    async def check(self) -> str | None:
        """What to do when space runs out, else None. A disk that hangs delays its own thread alone."""
        usage = await asyncio.to_thread(shutil.disk_usage, self._folder)
        metrics.disk_size.labels(self._of).set(usage.total)
        metrics.disk_free.labels(self._of).set(usage.free)
        if usage.free >= min(LOW_SHARE * usage.total, LOW_BYTES):
            return None
        left = f"{usage.free // MIB} of {usage.total // MIB} MiB are free for the {self._of}"
        return f"{left} ({self._setting}: {self._folder}); make space, or move it"
