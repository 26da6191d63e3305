"""``connector schema``: print what the mirror is made of, and let a role read it."""

import sys
from typing import Annotated

import typer

from connector import logs, private_files, safe_text
from connector.commands import failures
from connector.commands.options import (
    CONFIG_DIR,
    DATA_DIR,
    AcceptMapping,
    ConfigDir,
    DatabaseUrl,
    DataDir,
    Format,
    load_beside,
)
from connector.config.database_url import Backend
from connector.errors import ConfigError, StartupError

app = typer.Typer(help="Print the mirror's schema as SQL, plan and make its changes, or let a role read it.")


@app.callback(invoke_without_command=True)
def schema(
    context: typer.Context,
    config_dir: ConfigDir = CONFIG_DIR,
    database_url: DatabaseUrl = None,
    dialect: Annotated[Backend | None, typer.Option(help="Instead of that of database.url.")] = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Print the mirror's schema as SQL, plan and make its changes, or let a role read it."""
    if context.invoked_subcommand:
        return
    from connector.mirror.schema import ddl  # noqa: PLC0415 - each command loads only what it needs

    unused = ("kafka", "database") if dialect else ("kafka",)
    settings = load_beside(config_dir, data_dir, unused=unused, database_url=database_url)
    for statement in ddl(settings, dialect or Backend.of(settings.database.url.get_secret_value())):
        typer.echo(f"{statement};\n")


@app.command()
def plan(
    config_dir: ConfigDir = CONFIG_DIR,
    database_url: DatabaseUrl = None,
    format_: Annotated[Format | None, typer.Option("--format", help="As of connector query.")] = None,
    accept_mapping: AcceptMapping = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Show what tables.yaml would change in the database; changes nothing.

    Exit code 0: nothing would change. 2: something would. 1: it is refused, or cannot be found out.
    """
    from connector.mirror import plan as plans  # noqa: PLC0415
    from connector.mirror.mapping import Mapping  # noqa: PLC0415

    try:
        settings = load_beside(config_dir, data_dir, unused=("kafka",), database_url=database_url)
    except ConfigError as error:
        failures.report(error)
        raise typer.Exit(failures.FAILED) from None  # its own code is that of a change
    from connector.commands.rows import PrintedRows  # noqa: PLC0415

    found = plans.of(settings, Mapping(settings), accept_mapping=accept_mapping)
    PrintedRows(plans.Change._fields, found.changes).print(format_)
    raise typer.Exit(1 if found.is_refused else 0 if found.is_empty else 2)


@app.command()
def apply(
    config_dir: ConfigDir = CONFIG_DIR,
    database_url: DatabaseUrl = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Drop columns and tables that are no longer in tables.yaml.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Prune without asking.")] = False,
    accept_mapping: AcceptMapping = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Make the changes that plan shows, as a worker does at its start, and fill from the ledger.

    A worker that runs with another tables.yaml stops.
    """
    if prune and not yes and not sys.stdin.isatty():
        raise StartupError("--prune drops what cannot be undone, and nobody can be asked here.", "add --yes")
    logs.configure()
    from connector.mirror import database, frozen  # noqa: PLC0415
    from connector.mirror import prune as pruning  # noqa: PLC0415
    from connector.mirror import schema as tables  # noqa: PLC0415
    from connector.mirror.mapping import Mapping  # noqa: PLC0415
    from connector.mirror.mirrored_sources import as_mirrored  # noqa: PLC0415

    settings = load_beside(config_dir, data_dir, unused=("kafka",), database_url=database_url)
    private_files.keep_new_files_private()
    if file := database.file_of(settings.database):
        private_files.own_database(file, setting="database.url")
    engine = database.connect(settings.database)
    settings = as_mirrored(engine, settings)
    mapping = Mapping(settings)
    filled = tables.ensure(engine, settings, mapping, accept_mapping=accept_mapping)
    for table, columns in filled.columns.items():
        typer.echo(f"filled {table}: {', '.join(columns) if columns else 'every row'}")
    kept = frozen.standing(engine, settings)
    if prune and kept:
        names = safe_text.plain(", ".join(one.name for one in kept))
        if yes or typer.confirm(f"Drop {names} with all their values?"):
            pruning.prune(engine, settings, mapping)
            typer.echo(f"dropped {names}")
    else:
        for one in kept:
            typer.echo(f"frozen {safe_text.plain(one.name)}: it keeps its old values")
    typer.echo("The database is as tables.yaml says.")


@app.command()
def grant(
    role: Annotated[str, typer.Argument(help="A role of PostgreSQL that is there.")],
    config_dir: ConfigDir = CONFIG_DIR,
    database_url: DatabaseUrl = None,
    timeout: Annotated[
        float, typer.Option(min=1, max=86_400, help="Seconds that each of its queries may take.")
    ] = 60,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Let a role read the mirror's views, with a limit for each query. Prints what was run."""
    from connector.mirror import database, readers  # noqa: PLC0415

    settings = load_beside(config_dir, data_dir, unused=("kafka",), database_url=database_url)
    engine = database.connect(settings.database, access="write")
    for statement in readers.grant(engine, role, timeout_seconds=timeout):
        typer.echo(f"{statement};")
