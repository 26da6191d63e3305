"""``connector dead-letters``: list what was parked, fix the cause, replay it or discard it.

Every command prints tables for people and, with ``--json``, one JSON object. The exit code is 0
when everything asked for was done, else 1.
"""

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from connector import clocks, errors, safe_text
from connector.commands.options import (
    CONFIG_DIR,
    DATA_DIR,
    ConfigDir,
    DatabaseUrl,
    DataDir,
    Kafka,
    load_beside,
)

if TYPE_CHECKING:
    from connector.config import Config
    from connector.mirror.dialects.dialect import Access
    from connector.mirror.letters import Letters

app = typer.Typer(no_args_is_help=True, help="List, show, replay or discard what could not be mirrored.")


State = Literal["parked", "replayed", "discarded", "all"]
LetterStage = Literal["gateway", "worker", "hydrator"]


def _since(text: str) -> int:
    """``90m``, ``24h``, ``7d`` ago, or an ISO-8601 date or instant (UTC unless it says otherwise)."""
    if found := re.fullmatch(r"(\d{1,6})([mhd])", text):
        return clocks.now() - int(found[1]) * {"m": 60, "h": 3600, "d": 86_400}[found[2]] * 1_000_000
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        what = "give 90m, 24h or 7d, or a UTC instant such as 2026-11-23T08:00:00Z"
        raise typer.BadParameter(what) from None
    aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1_000_000)


Ids = Annotated[list[str], typer.Argument(metavar="ID…", help="Ids, or the first letters of them.")]
StageOption = Annotated[LetterStage | None, typer.Option("--stage", help="The process that parked it.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Short code, such as key-missing.")]
Action = Annotated[str | None, typer.Option("--action", help="XTND's Action.")]
Hook = Annotated[str | None, typer.Option("--hook", help="The hook that received it.")]
Since = Annotated[
    int | None,
    typer.Option("--since", parser=_since, metavar="WHEN", help="Parked since: 90m, 24h, 7d, or an instant."),
]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="At most so many of the newest.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_letters(
    *,
    state: Annotated[State, typer.Option("--state", help="Its present state.")] = "parked",
    stage: StageOption = None,
    reason: Reason = None,
    action: Action = None,
    hook: Hook = None,
    since: Since = None,
    limit: Limit = 50,
    as_json: Json = False,
    config_dir: ConfigDir = CONFIG_DIR,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """List dead letters, the newest first."""
    from connector.commands import dead_letters_view as view  # noqa: PLC0415 - each command loads its own package
    from connector.mirror.letters import Filter  # noqa: PLC0415

    settings = load_beside(config_dir, data_dir, unused=("kafka",), database_url=database_url)
    letters = _letters(settings, access="read")
    filter_ = Filter(None if state == "all" else state, stage, reason, action, hook, since, limit)
    found, total = letters.load(letters.ids(filter_), with_payload=False), letters.count(filter_)
    if as_json:
        typer.echo(
            safe_text.as_json(
                {"total": total, "letters": [view.summary(stored) for stored in found]}, indent=2
            )
        )
    else:
        view.LettersConsole().letters(found, total, state)


@app.command()
def show(
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="An id, or the first letters of one.")],
    *,
    as_json: Json = False,
    config_dir: ConfigDir = CONFIG_DIR,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Show one dead letter with its payload, exactly as received."""
    from connector.commands import dead_letters_view as view  # noqa: PLC0415

    settings = load_beside(config_dir, data_dir, unused=("kafka",), database_url=database_url)
    letters = _letters(settings, access="read")
    (stored,) = letters.load(letters.resolve([letter_id]))
    if as_json:
        typer.echo(safe_text.as_json(view.whole(stored), indent=2))
    else:
        view.LettersConsole().letter(stored)


@app.command()
def replay(
    ids: Ids = [],  # noqa: B006 - Typer's way of saying "none given"
    *,
    every: Annotated[bool, typer.Option("--all", help="All parked letters.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Change nothing; print what would be done.")
    ] = False,
    stage: StageOption = None,
    reason: Reason = None,
    action: Action = None,
    hook: Hook = None,
    since: Since = None,
    limit: Limit = None,
    as_json: Json = False,
    config_dir: ConfigDir = CONFIG_DIR,
    kafka: Kafka = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Process parked letters again, with the present configuration."""
    from connector.commands import dead_letters_view as view  # noqa: PLC0415
    from connector.mirror.letters import Filter  # noqa: PLC0415
    from connector.replay import Replay  # noqa: PLC0415

    filtered = any(part is not None for part in (stage, reason, action, hook, since, limit))
    if bool(ids) + (every or filtered) != 1:
        raise errors.StartupError(
            "It is not clear which letters to replay.",
            "give ids, or filters such as --reason key-missing, or --all (see: connector dead-letters list)",
        )
    settings = load_beside(config_dir, data_dir, kafka=kafka, database_url=database_url)
    letters = _letters(settings, access="read" if dry_run else "write")
    filter_ = Filter("parked", stage, reason, action, hook, since, limit)
    chosen = letters.resolve(ids) if ids else letters.ids(filter_)
    if dry_run:
        outcome, effects = Replay(settings, dry_run=True).preview(chosen)
    else:
        outcome, effects = Replay(settings).run(chosen), None
    if as_json:
        typer.echo(safe_text.as_json(view.outcome(outcome, effects), indent=2))
    else:
        view.LettersConsole().outcome(outcome, effects)
    raise typer.Exit(0 if outcome.complete else 1)


@app.command()
def discard(
    ids: Ids,
    *,
    as_json: Json = False,
    config_dir: ConfigDir = CONFIG_DIR,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Give parked letters up: they stay in the table and are never parked again."""
    from connector.commands import dead_letters_view as view  # noqa: PLC0415
    from connector.mirror.letters import DISCARDED  # noqa: PLC0415

    letters = _letters(load_beside(config_dir, data_dir, unused=("kafka",), database_url=database_url))
    chosen = letters.resolve(ids)
    with letters.change(chosen, DISCARDED, clocks.now()) as discarded:
        pass
    refused = {
        stored.id: stored.state
        for stored in letters.load(chosen, with_payload=False)
        if stored.id not in discarded
    }
    if as_json:
        typer.echo(
            safe_text.as_json({"discarded": sorted(discarded), "refused": view.refusals(refused)}, indent=2)
        )
    else:
        view.LettersConsole().discarded(len(discarded), refused)
    raise typer.Exit(1 if refused else 0)


def _letters(settings: "Config", *, access: "Access" = "write") -> "Letters":
    """The mirror's dead letters; raises ``StartupError`` when there is no mirror yet."""
    from connector.mirror import database  # noqa: PLC0415
    from connector.mirror.letters import Letters  # noqa: PLC0415

    letters = Letters(database.connect(settings.database, access=access))
    letters.require()
    return letters
