"""``connector rebuild`` and ``connector verify --repair``: tables made again while workers go on."""

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from connector import failpoints, logs, private_files, safe_text
from connector.commands.options import (
    CONFIG_DIR,
    DATA_DIR,
    AcceptSmallerLedger,
    ConfigDir,
    DatabaseUrl,
    DataDir,
    Kafka,
    load_beside,
)
from connector.commands.progress import progress
from connector.config import Config
from connector.errors import StartupError

if TYPE_CHECKING:
    from connector.mirror.ledger_union import LedgerUnion
    from connector.mirror.replacement import Rebuilt

SHOWN_SECONDS = 0.1  # of a wait
out = Console(highlight=False, markup=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)


# What tables are made again from.
RebuildFrom = Literal["ledger", "kafka"]


def rebuild(
    tables: Annotated[list[str] | None, typer.Argument(help="Tables of tables.yaml; all by default.")] = None,
    source: Annotated[
        RebuildFrom,
        typer.Option(
            "--from",
            help="The ledger alone, or the ledger with all that Kafka still holds put into it first.",
        ),
    ] = "ledger",
    config_dir: ConfigDir = CONFIG_DIR,
    kafka: Kafka = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = DATA_DIR,
    accept_smaller_ledger: AcceptSmallerLedger = False,
) -> None:
    """Make tables again from the ledger while workers go on; a row that is right is left alone."""
    unused = ("kafka",) if source == "ledger" else ()
    settings = load_beside(config_dir, data_dir, unused=unused, kafka=kafka, database_url=database_url)
    if tables and source == "kafka":
        raise StartupError(
            "--from kafka makes the ledger again, and with it every table.",
            "name no table, or take --from ledger",
        )
    make_again(settings, tables, source, accept_smaller_ledger=accept_smaller_ledger)


def make_again(
    settings: Config,
    names: list[str] | None = None,
    source: RebuildFrom = "ledger",
    *,
    accept_smaller_ledger: bool = False,
) -> None:
    """Put right what differs from the fold of the ledger, and say what it was; without names everywhere."""
    logs.configure()
    failpoints.load(os.environ)
    from connector.mirror import database, rebuilder  # noqa: PLC0415 - each command loads only what it needs
    from connector.mirror.mapping import Mapping  # noqa: PLC0415
    from connector.mirror.mirrored_sources import as_mirrored  # noqa: PLC0415

    private_files.keep_new_files_private()
    engine = database.connect(settings.database, access="write")
    settings = as_mirrored(engine, settings)
    mapping = Mapping(settings)
    known = [table.name for table in mapping.tables if table.sorts]
    if unknown := [name for name in names or () if name not in known]:
        raise StartupError(
            f"tables.yaml has no table {', '.join(unknown)}.", f"name some of: {', '.join(known)}"
        )
    try:
        with rebuilder.rebuilding(engine, mapping) as session, progress(err) as report:
            if source == "kafka":
                from connector.replay import ledger  # noqa: PLC0415

                _print_union(ledger.restore(settings, session, report))
            if not accept_smaller_ledger:
                session.require_whole_ledger(kafka_was_read=source == "kafka")
            _print(session.tables(dict.fromkeys(names or known), report))
            if session.count_again():
                out.print("mirror_status: its counters were counted again")
            if dropped := session.drop_unused_bodies():
                out.print(f"ledger: {dropped:,} bodies that no event has any more were removed")
    except KeyboardInterrupt:
        err.print("interrupted: the tables that are printed above are done; run it again for the others")
        raise


def _print_union(union: "LedgerUnion") -> None:
    parts = {
        "were on Kafka only and are in the ledger now": union.only_on_kafka,
        "had another copy in the ledger, which Kafka's replaced": union.replaced,
        "are in the ledger only": union.only_in_ledger(),
        "cannot be mirrored and were left out": union.left_out,
    }
    out.print(f"ledger: {'; '.join(f'{count:,} events {what}' for what, count in parts.items())}")


def _print(rebuilt: Iterable["Rebuilt"]) -> None:
    for one in rebuilt:
        parts = {"added": one.added, "changed": one.changed, "removed": one.removed}
        done = ", ".join(f"{count:,} rows {what}" for what, count in parts.items() if count)
        waited = f" (batches waited {one.waited_seconds:.1f} s at most)"
        shown = waited if one.waited_seconds >= SHOWN_SECONDS else ""
        out.print(safe_text.plain(f"{one.table}: {done or 'as the ledger has it'}{shown}"))
