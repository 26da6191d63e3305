"""How far a command has come: done, per second, and the time that is left."""

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LINE_SECONDS = 5.0
Report = Callable[[str, int, int | None], None]
T = TypeVar("T")


@contextmanager
def progress(console: Console) -> Iterator[Report]:
    """Show a bar on a terminal, a plain line every few seconds elsewhere.

    Gives what takes a part of the work, what is done of it, and all of it, None where that is not known.
    """
    started: dict[str, float] = {}

    def rate(what: str, done: int) -> float:
        return done / max(time.monotonic() - started.setdefault(what, time.monotonic()), 0.001)

    if not console.is_terminal:
        shown_at = time.monotonic()

        def line(what: str, done: int, total: int | None) -> None:
            nonlocal shown_at
            per_second = rate(what, done)
            if time.monotonic() - shown_at < LINE_SECONDS:
                return
            shown_at = time.monotonic()
            left = f", {(total - done) / per_second:.0f} s left" if done and total is not None else ""
            of_all = "" if total is None else f" of {total:,}"
            console.print(f"{what}: {done:,}{of_all} ({per_second:,.0f}/s{left})")

        yield line
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=None, rate="")

        def bar(what: str, done: int, total: int | None) -> None:
            nonlocal task
            if what not in started:  # a task of its own: one that has a total cannot be without one again
                progress.remove_task(task)
                task = progress.add_task(what, total=total, rate="")
            progress.update(task, completed=done, total=total, rate=f"{rate(what, done):,.0f}/s")

        yield bar


async def collected(work: AsyncIterator[T]) -> list[T]:
    """All that work which reports as it goes comes to, for ``asyncio.run``."""
    return [one async for one in work]
