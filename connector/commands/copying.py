"""``connector copy``: the whole mirror in another database, with a bar while it runs and what to do next."""

import typer
from rich.console import Console

from connector import private_files, safe_text
from connector.commands import backup_archives, checkup
from connector.commands.progress import progress
from connector.config import Config
from connector.errors import KafkaOutage
from connector.mirror import copying, database, offsets, verify
from connector.mirror.copying import Copied, naming_target
from connector.mirror.mapping import Mapping
from connector.mirror.mirrored_sources import as_mirrored
from connector.stream import topic_state

SHOWN = 20

_err = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)


def run(source: Config, target: Config) -> int:
    """Copy the mirror of one configuration into the database of another; gives the exit code.

    Raises as ``copying.copy`` does.
    """
    private_files.keep_new_files_private()
    reading = database.connect(source.database, access="read")
    target = as_mirrored(reading, target)
    mapping = Mapping(target)
    with naming_target():
        writing = database.connect(target.database)
    try:
        with progress(_err) as observe:
            copied = copying.copy(reading, writing, target, mapping, observe)
        if file := database.file_of(target.database):  # the folder of one that is refused stays as it is
            private_files.own_database(file, setting="--to")
    except KeyboardInterrupt:
        _err.print("interrupted: nothing was copied; run connector copy again")
        raise
    finally:
        reading.dispose()
        writing.dispose()  # and with its last connection SQLite writes its log into the file
    url = database.shown(target.database)
    count = sum(copied.rows.values())
    typer.echo(
        f"copied {count:,} rows of {len(copied.rows)} tables to {url}; each was read back and is the same"
    )
    _err.print("comparing the tables with the fold of the ledger")
    looking = database.connect(target.database, access="read")
    found = verify.differences(looking, mapping)
    for difference in found[:SHOWN]:
        _err.print(safe_text.plain(difference))
    _tell(copied, url, len(found))
    report_kafka(target, offsets.stored(looking))
    looking.dispose()
    return 1 if found else 0


def _tell(copied: Copied, url: str, wrong: int) -> None:
    if wrong:
        typer.echo(
            f"{wrong} rows are not the fold of the ledger, in the source either "
            f"(connector verify --database-url {url})"
        )
    else:
        events = copied.rows["notifications"]
        typer.echo(f"verified: the copy equals the fold of its ledger ({events:,} events)")
    if copied.archives:
        folders = safe_text.plain(backup_archives.folders(copied.archives))
        typer.echo(
            f"not copied: {len(copied.archives)} archives stay in {folders}, and the copy reads them there. "
            "Let one of the two mirrors alone archive and forget from now on"
        )
    for file in copied.unfinished:
        typer.echo(safe_text.plain(backup_archives.unfinished_sentence(file)))
    for name in copied.frozen:
        typer.echo(f"not copied: {safe_text.plain(name)} is no longer in tables.yaml; the source keeps it")
    for name in copied.views:
        typer.echo(
            f"not copied: the view {safe_text.plain(name)} is not the connector's; make it again there"
        )
    for role in copied.readers:
        named = safe_text.plain(role)
        typer.echo(f"not copied: what {named} may read: connector schema grant {named} --database-url {url}")
    typer.echo("Next:")
    typer.echo(
        "  1. stop every worker on the old mirror: beside it, each mirror would get a part of the events"
    )
    typer.echo(f"  2. start them again with DATABASE_URL={url} (connector worker, or connector up)")
    typer.echo("     They go on where the copy ends; what the old mirror got later is read from Kafka again.")


def report_kafka(target: Config, stored: offsets.StoredOffsets) -> None:
    """Say whether a worker on the copy finds all that follows."""
    where = f"Kafka at {target.kafka.bootstrap_servers}"
    try:
        found = topic_state.compare(target, stored)
    except KafkaOutage:
        typer.echo(
            f"{where} did not answer: run connector check before the worker starts: it asks for the offsets"
        )
        return
    if not (found.unread or found.recreated or found.expired):
        typer.echo(f"{where} holds what follows the copy")
    for result in checkup.Checkup(target).topic_faults():
        typer.echo(safe_text.plain(f"{result.what}: {result.fault}"))
        typer.echo(f"  Fix: {safe_text.plain(result.cure)}")
