"""``connector status``: whether all is well, at a look; for people, for scripts and for probes."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.text import Text

from connector import clocks, events, safe_text
from connector.commands.options import (
    CONFIG_DIR,
    DATA_DIR,
    ConfigDir,
    DatabaseUrl,
    DataDir,
    Kafka,
    load_beside,
)
from connector.config import Config

if TYPE_CHECKING:
    from connector.commands.standing import FamilyStanding, Standing

STYLES = {
    "healthy": "bold green",
    "ready": "green",
    "degraded": "bold yellow",
    "down": "bold red",
    "unready": "red",
    "away": "red",
    "off": "dim",
}
COLUMNS = (
    *("family", "events", "per minute", "received", "mirrored", "lag", "waits"),
    *("parked", "lost", "stale", "lost hooks"),
)
ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - asked, not served
UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))
AdminPorts = Annotated[
    list[str] | None, typer.Option(metavar="HOST:PORT", help="Its admin port; repeat it for several.")
]
out = Console(highlight=False, markup=False, soft_wrap=True)


def status(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Look again and again, until Ctrl-C.")] = False,
    every: Annotated[float, typer.Option(min=0.2, metavar="SECONDS", help="How often, with --watch.")] = 2,
    gateway: AdminPorts = None,
    worker: AdminPorts = None,
    hydrator: AdminPorts = None,
    config_dir: ConfigDir = CONFIG_DIR,
    kafka: Kafka = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Show how gateway, worker, mirror and Kafka are, and how far each family has come.

    Exit code 0: healthy. 1: degraded, it works and a person should look. 2: down.
    """
    from connector.commands.standing import EXIT_CODES, Looking  # noqa: PLC0415 - loads Kafka and database
    from connector.local import DataFolder  # noqa: PLC0415

    settings = load_beside(config_dir, data_dir, kafka=kafka, database_url=database_url)
    given = {"gateway": gateway or (), "worker": worker or (), "hydrator": hydrator or ()}
    looking = Looking(settings, dict(_addresses(settings, given, DataFolder(data_dir).admin_port())))
    found = looking.look()
    try:
        while True:
            if watch and not as_json:
                out.clear()  # on a terminal only
            if as_json:
                out.print(safe_text.as_json(asdict(found)))
            else:
                StatusConsole().show(found)
            if not watch:
                break
            time.sleep(every)
            found = looking.look()
    except KeyboardInterrupt:
        pass
    raise typer.Exit(EXIT_CODES[found.status])


def _addresses(
    config: Config, given: Mapping[str, Sequence[str]], first_port: int | None
) -> Iterator[tuple[str, Sequence[str]]]:
    """The admin ports of each part: those given, those of ``connector up``, or those configured."""
    sections = (
        ("gateway", config.gateway.admin_host, config.gateway.admin_port),
        ("worker", config.worker.admin_host, config.worker.admin_port),
        ("hydrator", config.hydrator.admin_host, config.hydrator.admin_port),
    )
    for number, (name, admin_host, admin_port) in enumerate(sections):
        if name == "hydrator" and config.sources is None and not given[name]:
            continue
        host = ANY_ADDRESS.get(admin_host, admin_host)
        host = f"[{host}]" if ":" in host else host
        port = admin_port if first_port is None else first_port + number
        yield name, given[name] or (f"{host}:{port}",)


class StatusConsole:
    """Prints for a person: colours on a terminal, the same text in a pipe."""

    def show(self, found: "Standing") -> None:
        """Print everything of one moment."""
        out.print(Text.assemble((found.status, STYLES[found.status]), f" at {found.at}"))
        for reason in found.reasons:
            out.print(f"  {safe_text.plain(reason)}")
        parts = [
            [Text(part.name), Text(part.state, STYLES.get(part.state, "yellow")), Text(part.address)]
            for part in found.parts
        ]
        if found.spool:
            count, size, age = (found.spool[name] for name in ("deliveries", "bytes", "oldest_seconds"))
            waits = f"{count:,.0f} deliveries, {size:,.0f} bytes, the oldest for {self.span(age)}"
            state = Text("waits", "yellow") if count else Text("empty")
            parts.append([Text("spool"), state, Text(waits if count else "")])
        for to, seconds in found.clocks.items():
            where = f"{abs(seconds):.1f} s {'ahead of' if seconds > 0 else 'behind'} the {to}'s"
            state = Text("off" if abs(seconds) > clocks.LIMIT_SECONDS else "ready")
            parts.append([Text("clock"), state, Text(where)])
        self._columns(parts, justify="left")
        if found.families:
            head = [Text(name, "dim") for name in COLUMNS]
            self._columns([head, *map(self._cells, found.families)], justify="right")

    @staticmethod
    def _columns(rows: list[list[Text]], *, justify: Literal["left", "right"]) -> None:
        """Print rows in columns, of which the first is to the left; a line is never cut."""
        widths = [max(cell.cell_len for cell in column) for column in zip(*rows, strict=True)]
        for row in rows:
            for number, (cell, width) in enumerate(zip(row, widths, strict=True)):
                cell.align("left" if number == 0 else justify, width)
            line = Text("  ").join(row)
            line.rstrip()
            out.print(line)

    def _cells(self, one: "FamilyStanding") -> list[Text]:
        late = "yellow" if one.lag_events else ""
        stale = f"{one.records_stale:,}"
        if one.records_stale_since:
            stale += f" ({self._since(one.records_stale_since)})"
        received, mirrored = (
            "-" if instant is None else f"{self._since(instant)} ago"
            for instant in (one.last_received_at, one.last_mirrored_at)
        )
        return [
            Text(safe_text.plain(one.family)),
            Text(f"{one.events:,}"),
            Text(f"{one.per_minute:,.1f}"),
            Text(received),
            Text(mirrored),
            Text("?" if one.lag_events is None else f"{one.lag_events:,}", late),
            Text("?" if one.lag_seconds is None else self.span(one.lag_seconds), late),
            Text(f"{one.parked_dead_letters:,}", "red" if one.parked_dead_letters else ""),
            Text(f"{one.records_lost:,}", "red" if one.records_lost else ""),
            Text(stale, "yellow" if one.records_stale else ""),
            Text(f"{one.lost_hooks:,}", "yellow" if one.lost_hooks else ""),
        ]

    def _since(self, instant: str) -> str:
        return self.span((clocks.now() - events.from_iso(instant)) / 1_000_000)

    @staticmethod
    def span(seconds: float) -> str:
        """A time in its two largest units, such as 2 h 5 min."""
        left = max(0, round(seconds))
        shown: list[str] = []
        for size, unit in UNITS:
            if left >= size or (unit == "s" and not shown):
                shown.append(f"{left // size} {unit}")
                left %= size
        return " ".join(shown[:2])
