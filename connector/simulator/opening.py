"""A shop as it stands when a run starts: with its past, and what has left before."""

import time
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import msgspec
from rich.console import Console
from yarl import URL

from connector import clocks, events
from connector.errors import StartupError
from connector.simulator import past
from connector.simulator.api import Quirk
from connector.simulator.options import SimulateOptions, say
from connector.simulator.records import ShopRecords
from connector.simulator.resume import Progress, ResumeFile
from connector.simulator.sender import source_of
from connector.simulator.shop import Shop
from connector.simulator.wire import ShopDelivery

LINE_SECONDS = 5.0


class OpenShop(NamedTuple):
    """A shop, and the deliveries that it makes from now on."""

    shop: Shop
    deliveries: Iterator[ShopDelivery]


class Opening:
    """Opens the shop of one run, and says on ``console`` what it does."""

    def __init__(self, options: SimulateOptions, console: Console) -> None:
        self._options = options
        self._console = console

    def open(self) -> OpenShop:
        """The shop. Its past is published, where it has one and Kafka has it not yet.

        Raises ``StartupError`` and ``KafkaOutage``.
        """
        options = self._options
        clock, file = past.ShopClock(), ResumeFile(options.resume)
        progress = file.read(options.seed)
        kept = options.api_port is not None
        records = ShopRecords(options.seed, clock=clock, kept=kept, deleted=options.deleted)
        shop = Shop(options.seed, records, silent_prices=Quirk.SILENT_PRICES in options.api.quirks)
        if options.past and not progress.days and not progress.left:
            progress = msgspec.structs.replace(progress, days=options.past.days, until=clocks.now())
            # Interrupted from here on, the next run publishes the same events: the mirror takes them once.
            file.write(progress)
        elif options.past and progress.left and not options.deliveries:
            raise StartupError(
                f"The shop of the demo in {options.past.folder} plays already.",
                "Remove the folder, and start again: connector up --demo.",
            )
        if not progress.days:
            deliveries, former = shop.deliveries(), 0
        else:
            happened, deliveries = past.play(shop, clock, progress.days, progress.until, options.seed)
            former = len(happened)
            if not progress.left:
                self._publish(happened, progress)
                progress = msgspec.structs.replace(progress, left=former)
                file.write(progress)
        for _ in islice(deliveries, max(0, progress.left - former)):
            pass
        clock.at = None
        return OpenShop(shop, self._counted(deliveries, progress, file) if options.resume else deliveries)

    def _publish(self, happened: list[past.Happened], progress: Progress) -> None:
        options, where = self._options, self._options.past
        if where is None:
            raise StartupError("A history is not published yet.", f"Give --days {progress.days} again.")
        hook = source_of(URL(options.url, encoded=True)).removeprefix(events.source_of(""))
        if hook not in where.config.hooks:
            known = ", ".join(where.config.hooks)
            raise StartupError(f"{options.url} is the URL of no hook.", f"Give that of one of: {known}.")
        posted = past.posts(happened, where.config.hooks[hook], options.seed, options.withheld)
        kafka, end = where.config.kafka.bootstrap_servers, events.iso(progress.until)
        say(
            self._console,
            f"{progress.days} days of history until {end} go straight to Kafka at {kafka}, past the gateway, "
            f"which would give them today's date; only into the demo in {where.folder}.",
        )
        started = reported_at = time.monotonic()

        def report(done: int) -> None:
            nonlocal reported_at
            if time.monotonic() >= reported_at + LINE_SECONDS:
                reported_at = time.monotonic()
                say(self._console, f"{done:,} of {len(posted):,} deliveries of the history")

        past.publish(posted, where, hook, options.secret, report)
        seconds = time.monotonic() - started
        say(self._console, f"History: {len(posted):,} deliveries in {seconds:.1f} s")

    @staticmethod
    def _counted(
        deliveries: Iterator[ShopDelivery], progress: Progress, file: ResumeFile
    ) -> Iterator[ShopDelivery]:
        """Yield them, and keep count in the file."""
        for number, delivery in enumerate(deliveries, start=progress.left + 1):
            file.write(msgspec.structs.replace(progress, left=number))
            yield delivery
