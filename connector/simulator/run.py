"""``connector simulate``: play a shop against a callback URL, with progress and a summary."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from itertools import islice

import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from connector.simulator.api import SimulatedApi, serving
from connector.simulator.client import session
from connector.simulator.journal import Journal
from connector.simulator.opening import Opening, OpenShop
from connector.simulator.options import SimulateOptions, require_listener, say
from connector.simulator.sender import Sender
from connector.simulator.tally import Tally
from connector.simulator.traffic import Sending, traffic
from connector.simulator.wire import ShopDelivery

BAR_SECONDS = 0.1
LINE_SECONDS = 5.0
STOPPED = 130  # what a shell expects after Ctrl-C


def run_simulation(options: SimulateOptions, console: Console | None = None) -> int:
    """Play a shop. 0: all acknowledged; 1: some given up; 130: stopped by Ctrl-C or SIGTERM.

    Raises ``StartupError`` when an option is invalid or nothing listens at the URL.
    """
    parts = options.check()
    console = console or Console()
    opened = Opening(options, console).open()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if options.withheld < 1 and options.deliveries:
            runner.run(require_listener(parts))
        return runner.run(simulate(options, console, opened))


async def simulate(options: SimulateOptions, console: Console, opened: OpenShop | None = None) -> int:
    """As ``run_simulation``, inside a running loop."""
    tally = Tally()
    shop, deliveries = opened or Opening(options, console).open()
    async with AsyncExitStack() as stack:
        url = None
        if options.api_port is not None:
            service = SimulatedApi(shop.records, options.seed, options.api)
            url = await stack.enter_async_context(serving(service, options.api_port))
            say(console, f"The API answers at {url} for {options.api.user} until Ctrl-C.")
        log = stack.enter_context(Journal(options.journal))
        client = await stack.enter_async_context(session(options.parallel))
        display = _Display(console, tally, options.deliveries)
        sender = Sender(client, options, log, tally, display.say)
        await stack.enter_async_context(_stopping(sender))
        if options.deliveries:
            async with display.shown():
                await sender.play(sendings(deliveries, options))
            console.print(tally.table())
        outcome = STOPPED if sender.stopped else int(tally.given_up > 0)
        if url is not None and not sender.stopped:
            log.flush()
            say(console, f"All hooks are sent. The API goes on at {url}; Ctrl-C ends it.")
            await sender.until_stopped()
    return outcome


def sendings(deliveries: Iterator[ShopDelivery], options: SimulateOptions) -> Iterator[Sending]:
    """Yield the run's deliveries in the order in which they leave."""
    return traffic(
        islice(deliveries, options.deliveries),
        disorder=options.disorder,
        duplicates=options.duplicates,
        withheld=options.withheld,
        seed=options.seed,
    )


class _Display:
    """The progress of a run: a bar on a terminal, a plain line every few seconds elsewhere."""

    def __init__(self, console: Console, tally: Tally, total: int) -> None:
        self._console = console
        self._tally = tally
        self._total = total

    def say(self, text: str) -> None:
        """Print another line, above the bar where there is one."""
        say(self._console, text)

    @asynccontextmanager
    async def shown(self) -> AsyncIterator[None]:
        """Show it while the block runs."""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        progress = Progress(*columns, console=self._console, transient=True, auto_refresh=False)
        terminal = self._console.is_terminal
        with progress if terminal else nullcontext():
            ticker = asyncio.create_task(self._bar(progress) if terminal else self._lines())
            try:
                yield
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
