"""``connector forget``: take one entity out of the mirror, for good."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from connector import logs, safe_text
from connector.commands.options import CONFIG_DIR, DATA_DIR, ConfigDir, DatabaseUrl, DataDir, load_beside
from connector.config import Config
from connector.errors import StartupError

if TYPE_CHECKING:
    from connector.mirror.erasure import Erased

out = Console(highlight=False, markup=False, soft_wrap=True)


def forget(
    family: Annotated[str, typer.Argument(help="Family of topics.yaml, such as customers.")],
    key: Annotated[str, typer.Argument(help="Entity key, as notifications and hydration have it.")],
    *,
    shop: Annotated[
        str | None, typer.Option(help="Whose entity it is, where tables tell shops apart.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go; change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; needs --yes or --dry-run.")] = False,
    config_dir: ConfigDir = CONFIG_DIR,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Remove what the mirror knows of one entity, such as a customer: events, records, rows, dead letters.

    The events stay without what they say, so that none comes back when it is sent or read again. A hook that
    is received later makes the entity known again.
    """
    if as_json and not (dry_run or yes):
        raise StartupError("With --json nobody is asked.", "look first with --dry-run, then add --yes")
    logs.configure()
    settings = load_beside(config_dir, data_dir, database_url=database_url)
    found = _erase(settings, family, key, shop, dry_run=True)
    if not (dry_run or yes):
        _print(found, settings, done=False)
        typer.confirm(f"Forget {key} of {family}? Nothing brings it back.", abort=True)
    if not dry_run:
        found = _erase(settings, family, key, shop, dry_run=False)
    if as_json:
        print(json.dumps({"dry_run": dry_run, **asdict(found)}))  # noqa: T201
    else:
        _print(found, settings, done=not dry_run)


def _erase(settings: Config, family: str, key: str, shop: str | None, *, dry_run: bool) -> "Erased":
    from connector.mirror import database, erasure, steps  # noqa: PLC0415 - only what a command needs is loaded
    from connector.mirror.entities import Entity  # noqa: PLC0415
    from connector.mirror.mapping import Mapping  # noqa: PLC0415
    from connector.mirror.mirrored_sources import as_mirrored  # noqa: PLC0415

    if family not in settings.topics.families:
        known = ", ".join(settings.topics.families)
        raise StartupError(f"topics.yaml has no family {family}.", f"name one of: {known}")
    shops = sorted(set((settings.shops or {}).values()))
    if settings.shops is not None and shop not in shops:
        raise StartupError("Which shop's entity it is is missing.", f"add --shop, one of: {', '.join(shops)}")
    if settings.shops is None and shop:
        raise StartupError("The tables do not tell shops apart (mirror.key_by_shop).", "leave out --shop")
    engine = database.connect(settings.database, access="read" if dry_run else "write")
    steps.require(engine)
    mapping = Mapping(as_mirrored(engine, settings))
    return erasure.erase(engine, mapping, Entity(shop or "", family, key), dry_run=dry_run)


def _print(found: "Erased", settings: Config, *, done: bool) -> None:
    topics = settings.topics
    if found.forgotten_before:
        out.print("it was forgotten before")
    what = "emptied" if done else "to be emptied"
    out.print(f"{found.events:,} events and {found.letters:,} dead letters {what}")
    for name, count in found.rows.items():
        out.print(
            safe_text.plain(f"{name}: {count:,} rows {'removed' if done else 'to be removed or changed'}")
        )
    if found.mentions:
        listed = " ".join(one[:12] for one in found.mentions[:5])
        out.print(
            f"{len(found.mentions):,} dead letters hold its key beside other things; look at them, and "
            f"discard what is of it: connector dead-letters show {listed}"
        )
    kept = (
        "until you delete them"
        if topics.retention_hours < 0
        else f"for {topics.retention_hours} hours at most"
    )
    out.print(
        f"Kafka keeps what was published {kept} (topics.retention_hours); backups, copies and PostgreSQL's "
        "log keep what they have. Other records may name the entity too: an order has its customer."
    )
