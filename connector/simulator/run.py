"""``connector simulate``: play a shop against a callback URL, with progress and a summary."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import islice

import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from connector.simulator.journal import Journal
from connector.simulator.options import SimulateOptions, check, knock, say
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
        runner.run(knock(parts))
        return runner.run(simulate(options, console or Console()))


async def simulate(options: SimulateOptions, console: Console) -> int:
    """As ``run_simulation``, inside a running loop."""
    tally = Tally()
    with Journal(options.journal) as log:
        async with session(options.parallel) as client, _display(console, tally, options.deliveries) as out:
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


@asynccontextmanager
async def _display(console: Console, tally: Tally, total: int) -> AsyncIterator[Console]:
    """Show a bar on a terminal, a plain line every few seconds elsewhere."""
    if not console.is_terminal:
        ticker = asyncio.create_task(_lines(console, tally, total))
        try:
            yield console
        finally:
            ticker.cancel()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, auto_refresh=False) as progress:
        ticker = asyncio.create_task(_bar(progress, tally, total))
        try:
            yield progress.console
        finally:
            ticker.cancel()


async def _lines(console: Console, tally: Tally, total: int) -> None:
    while True:
        await asyncio.sleep(LINE_SECONDS)
        say(console, tally.line(total))


async def _bar(progress: Progress, tally: Tally, total: int) -> None:
    task = progress.add_task("sending", total=total)
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
