"""``connector simulate``: play a shop against a callback URL, with progress and a summary."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, nullcontext
from itertools import islice

import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from connector.simulator.journal import Journal
from connector.simulator.options import SimulateOptions, check, require_listener, say
from connector.simulator.sender import Sender, session
from connector.simulator.shop import Shop
from connector.simulator.tally import Tally
from connector.simulator.traffic import Sending, traffic

BAR_SECONDS = 0.1
LINE_SECONDS = 5.0
STOPPED = 130  # what a shell expects after Ctrl-C


def run_simulation(options: SimulateOptions, console: Console | None = None) -> int:
    """Play a shop. 0: all acknowledged; 1: some given up; 130: stopped by Ctrl-C or SIGTERM.

    Raises ``StartupError`` when an option is invalid or nothing listens at the URL.
    """
    parts = check(options)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(require_listener(parts))
        return runner.run(simulate(options, console or Console()))


async def simulate(options: SimulateOptions, console: Console) -> int:
    """As ``run_simulation``, inside a running loop."""
    tally = Tally()
    with Journal(options.journal) as log:
        display = _Display(console, tally, options.deliveries)
        async with session(options.parallel) as client, display.shown() as out:
            sender = Sender(client, options, log, tally, lambda text: say(out, text))
            async with _stopping(sender):
                await sender.play(sendings(options))
    console.print(tally.table())
    if sender.stopped:
        return STOPPED
    return 1 if tally.given_up else 0


def sendings(options: SimulateOptions) -> Iterator[Sending]:
    """Yield the run's deliveries in the order in which they leave."""
    deliveries = islice(Shop(options.seed).deliveries(), options.deliveries)
    return traffic(deliveries, disorder=options.disorder, duplicates=options.duplicates, seed=options.seed)


class _Display:
    """The progress of a run: a bar on a terminal, a plain line every few seconds elsewhere."""

    def __init__(self, console: Console, tally: Tally, total: int) -> None:
        self._console = console
        self._tally = tally
        self._total = total

    @asynccontextmanager
    async def shown(self) -> AsyncIterator[Console]:
        """Show it while the block runs; gives the console for other lines."""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        progress = Progress(*columns, console=self._console, transient=True, auto_refresh=False)
        terminal = self._console.is_terminal
        with progress if terminal else nullcontext():
            ticker = asyncio.create_task(self._bar(progress) if terminal else self._lines())
            try:
                yield progress.console
            finally:
                ticker.cancel()

    async def _lines(self) -> None:
        while True:
            await asyncio.sleep(LINE_SECONDS)
            say(self._console, self._tally.line(self._total))

    async def _bar(self, progress: Progress) -> None:
        task, tally = progress.add_task("sending", total=self._total), self._tally
        while True:
            text = f"sending · {tally.retried:,} retries · {tally.given_up:,} given up"
            progress.update(task, completed=tally.settled, description=text, refresh=True)
            await asyncio.sleep(BAR_SECONDS)


@asynccontextmanager
async def _stopping(sender: Sender) -> AsyncIterator[None]:
    """Ctrl-C and SIGTERM stop the sender; outside the main thread signals are not ours to take."""
    loop = asyncio.get_running_loop()
    taken = []
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, sender.stop)
        except (ValueError, RuntimeError, NotImplementedError):
            break
        taken.append(number)
    try:
        yield
    finally:
        for number in taken:
            loop.remove_signal_handler(number)
