"""The commands: thin, each calls the package that does the work.

Errors that reach a person are sentences with a fix; a traceback comes with ``--debug`` alone.
"""

import itertools
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from connector import __version__, errors, failpoints, logs, safe_text
from connector.commands import (
    archive,
    audit,
    backfill,
    backup,
    dead_letters,
    failures,
    forget,
    rebuild,
    restore,
    schema,
    simulate,
    status,
    sweep,
)
from connector.commands.options import (
    CONFIG_DIR,
    DATA_DIR,
    AcceptMapping,
    AcceptSmallerLedger,
    ConfigDir,
    DatabaseUrl,
    DataDir,
    Format,
    Kafka,
    behind_options,
    config_folder,
    load,
    load_beside,
    load_process,
)

app = typer.Typer(
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Receive XTND's signed webhooks, store them on Kafka, mirror them into SQL tables.",
)
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(schema.app, name="schema")
out = Console(highlight=False, markup=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)

PortOption = Annotated[int | None, typer.Option("--port", min=1, max=65535, help="The public port.")]
AdminPort = Annotated[
    int | None, typer.Option("--admin-port", min=1, max=65535, help="Health and metrics, on 127.0.0.1.")
]
ReusePort = Annotated[
    bool | None,
    typer.Option("--reuse-port", help="Share the public port with other gateways of this machine."),
]


def main() -> None:
    """Run a command; turn errors into sentences and exit codes."""
    failures.prepare_standard_streams()
    logs.configure(level="WARNING")  # to standard error: what a command prints may be for a program
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        app(behind_options(arguments))
    except SystemExit as end:
        code = end.code
    except Exception as error:
        if debug:
            raise
        code = failures.report(error)
    sys.exit(failures.flush_output(reported=bool(code)) or code)


@app.command()
def up(
    config_dir: ConfigDir = CONFIG_DIR,
    data_dir: DataDir = DATA_DIR,
    kafka: Kafka = None,
    database_url: DatabaseUrl = None,
    port: PortOption = 8080,
    host: Annotated[
        str, typer.Option("--host", help="Address of the public port; 0.0.0.0 is every one of this machine.")
    ] = "127.0.0.1",
    admin_port: AdminPort = 8081,
    accept_mapping: AcceptMapping = False,
    demo: Annotated[
        bool, typer.Option("--demo", help="Play a shop as well: hooks without XTND, for a first look.")
    ] = False,
    days: Annotated[
        int | None,
        typer.Option(
            min=0, max=simulate.MOST_DAYS, help="With --demo: days of history that its shop starts with. [90]"
        ),
    ] = None,
) -> None:
    """Run everything on this machine: broker, topics, gateway, worker and a SQLite mirror."""
    # Each command loads only what it needs.
    from connector.local.demo import HISTORY_DAYS  # noqa: PLC0415
    from connector.local.plan import UpOptions  # noqa: PLC0415
    from connector.local.stack import run_up  # noqa: PLC0415

    folder = config_folder(config_dir)
    settings = load(folder, unused=("kafka", "database"))
    options = UpOptions(
        config_dir=folder,
        data_dir=data_dir,
        kafka=kafka,
        database_url=database_url,
        host=host,
        port=port or 8080,
        admin_port=admin_port or 8081,
        accept_mapping=accept_mapping,
        demo=demo,
        days=HISTORY_DAYS if days is None else days,
        hydrate=settings.sources is not None,
        hooks=tuple(settings.hooks),
        command=sys.argv[0] if Path(sys.argv[0]).name == "connector" else "connector",
    )
    raise typer.Exit(run_up(options))


@app.command()
def gateway(
    config_dir: ConfigDir = CONFIG_DIR,
    kafka: Kafka = None,
    database_url: DatabaseUrl = None,
    host: Annotated[
        str | None, typer.Option("--host", help="The public port's address, instead of gateway.host.")
    ] = None,
    port: PortOption = None,
    admin_port: AdminPort = None,
    reuse_port: ReusePort = None,
) -> None:
    """Receive webhooks and write them to Kafka."""
    logs.configure()
    from connector.gateway.server import run_gateway  # noqa: PLC0415

    ports = {"host": host, "port": port, "admin_port": admin_port, "reuse_port": reuse_port}
    settings = load_process(
        config_dir, with_secrets=True, unused=("database",), kafka=kafka, database_url=database_url, **ports
    )
    raise typer.Exit(run_gateway(settings))


@app.command()
def worker(
    config_dir: ConfigDir = CONFIG_DIR,
    kafka: Kafka = None,
    database_url: DatabaseUrl = None,
    admin_port: AdminPort = None,
    accept_mapping: AcceptMapping = False,
) -> None:
    """Write events from Kafka into the mirror."""
    logs.configure()
    from connector.stream.worker import run_worker  # noqa: PLC0415

    settings = load_process(config_dir, kafka=kafka, database_url=database_url, worker_admin_port=admin_port)
    raise typer.Exit(run_worker(settings, accept_mapping=accept_mapping))


@app.command()
def hydrator(
    config_dir: ConfigDir = CONFIG_DIR,
    kafka: Kafka = None,
    database_url: DatabaseUrl = None,
    admin_port: AdminPort = None,
) -> None:
    """Fetch the whole record after a hook brought its number; only where sources.yaml has an address."""
    logs.configure()
    from connector.fetching.process import run_hydrator  # noqa: PLC0415

    options = {"kafka": kafka, "database_url": database_url, "hydrator_admin_port": admin_port}
    raise typer.Exit(run_hydrator(load_process(config_dir, with_login=True, **options)))


@app.command("topics")
def topics_command(
    config_dir: ConfigDir = CONFIG_DIR,
    kafka: Kafka = None,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; print what differs.")] = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Create the topics and set them as topics.yaml says."""
    from connector.commands import checkup, rows  # noqa: PLC0415
    from connector.kafka import topics  # noqa: PLC0415

    settings = load_beside(config_dir, data_dir, unused=("database",), kafka=kafka)
    left = topics.deviations(settings) if check else topics.ensure(settings)
    wrong: dict[str, list[str]] = {}
    for deviation in left:
        wrong.setdefault(deviation.topic, []).append(deviation.what)
    hours = settings.topics.retention_hours
    retention = "no limit" if hours < 0 else f"{hours} h"
    planned = [
        (plan.name, plan.partitions, retention, "; ".join(wrong.get(plan.name, ["as planned"])))
        for plan in topics.plans(settings)
    ]
    rows.PrintedRows(("topic", "partitions", "retention", "state"), planned).print(Format.table)
    for result in checkup.Checkup(settings).topic_faults():
        out.print(safe_text.plain(f"{result.what}: {result.fault}"))
        out.print(f"  Fix: {safe_text.plain(result.cure)}")
    raise typer.Exit(1 if any(deviation.fixed_by_ensure for deviation in left) else 0)


@app.command()
def check(
    config_dir: ConfigDir = CONFIG_DIR,
    kafka: Kafka = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = DATA_DIR,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read each archive, and compare it with its SHA-256.")
    ] = False,
    accept_mapping: AcceptMapping = False,
) -> None:
    """Check configuration, broker, topics, database, archives and API; print each failure's fix."""
    from connector.commands import api_checkup, checkup  # noqa: PLC0415
    from connector.commands.archive_checkup import ArchiveCheckup  # noqa: PLC0415

    options: dict[str, Any] = {"kafka": kafka, "database_url": database_url}
    missing: list[errors.Finding] = []
    # Only a gateway needs the hooks' secrets, and only a hydrator the login.
    for needs in ((True, True), (False, True), (True, False)):
        given = options | dict(zip(("with_secrets", "with_login"), needs, strict=True))
        try:
            settings = load_beside(config_dir, data_dir, **given)
            break
        except errors.ConfigError as error:
            missing = missing or error.findings
    else:  # what else is wrong is raised again here
        settings = load_beside(config_dir, data_dir, **options)
    results = checkup.Checkup(settings).results(missing, accept_mapping=accept_mapping)
    findings = 0
    archives = ArchiveCheckup(settings, deep=deep).results()
    for result in itertools.chain(results, archives, api_checkup.results(settings)):
        if result.fault is None:
            out.print(Text.assemble(("ok", "green"), f" {safe_text.plain(result.what)}"))
            continue
        findings += not result.warns
        mark = ("warning", "yellow") if result.warns else ("FAIL", "red")
        found = f" {safe_text.plain(result.what)} - {safe_text.plain(result.fault)}"
        out.print(Text.assemble(mark, found))
        out.print(f"      Fix: {safe_text.plain(result.cure)}")
    raise typer.Exit(1 if findings else 0)


@app.command()
def losses(
    acknowledge: Annotated[
        bool, typer.Option("--acknowledge", help="Acknowledge what is listed: it is no fault any more.")
    ] = False,
    config_dir: ConfigDir = CONFIG_DIR,
    database_url: DatabaseUrl = None,
    format_: Annotated[Format | None, typer.Option("--format", help="As of connector query.")] = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """List records that expired on Kafka before they were mirrored, and when XTND sent them."""
    from connector.commands.rows import PrintedRows  # noqa: PLC0415
    from connector.mirror import database, steps  # noqa: PLC0415
    from connector.mirror import losses as kept  # noqa: PLC0415

    settings = load_beside(config_dir, data_dir, unused=("kafka",), database_url=database_url)
    engine = database.connect(settings.database, access="write" if acknowledge else "read")
    steps.require(engine)
    found = kept.unacknowledged(engine)
    columns = [name for name, _ in kept.COLUMNS]
    PrintedRows(columns, [[getattr(one, name) for name in columns] for one in found]).print(format_)
    if acknowledge:
        kept.acknowledge(engine, found)


@app.command()
def query(
    sql: Annotated[str, typer.Argument(help="A SELECT.")],
    config_dir: ConfigDir = CONFIG_DIR,
    database_url: DatabaseUrl = None,
    format_: Annotated[
        Format | None,
        typer.Option("--format", help="By default a table or records on a terminal, CSV in a pipe."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As --format json: one object a line.")] = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Run a SELECT on the mirror; it cannot change anything."""
    from connector.commands.rows import PrintedRows  # noqa: PLC0415
    from connector.mirror import database  # noqa: PLC0415
    from connector.mirror.query import run  # noqa: PLC0415

    settings = load_beside(config_dir, data_dir, unused=("kafka",), database_url=database_url)
    result = run(database.connect(settings.database, access="read"), sql)
    PrintedRows(result.columns, result.rows).print(Format.json if as_json else format_)


@app.command()
def verify(
    config_dir: ConfigDir = CONFIG_DIR,
    database_url: DatabaseUrl = None,
    journal: Annotated[
        Path | None,
        typer.Option(help="Journal of a simulation; its acknowledged events must be in the ledger."),
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Fold again what differs, and verify that.")
    ] = False,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read the archives too, each of which must be as it was written.")
    ] = False,
    data_dir: DataDir = DATA_DIR,
    accept_smaller_ledger: AcceptSmallerLedger = False,
) -> None:
    """Fold the ledger again and print where the mirror differs from it."""
    from connector.commands import checkup  # noqa: PLC0415

    settings = load_beside(config_dir, data_dir, unused=("kafka",), database_url=database_url)
    found, events = checkup.Checkup(settings).verify(journal, deep=deep)
    if found and repair:
        rebuild.make_again(settings, accept_smaller_ledger=accept_smaller_ledger)
        found, events = checkup.Checkup(settings).verify(journal, deep=deep)
    for difference in found[:20]:
        err.print(safe_text.plain(difference))
    if found:
        err.print(f"{len(found)} differences.", style="bold red")
        raise typer.Exit(1)
    out.print(f"verified: the mirror equals the fold of its ledger ({events} events)")


app.command()(rebuild.rebuild)
app.command()(backfill.backfill)
app.command()(sweep.sweep)
app.command()(audit.audit)
app.command()(forget.forget)
app.command()(archive.archive)
app.command()(status.status)
app.command()(backup.backup)
app.command()(restore.restore)


@app.command("copy")
def copy_command(
    to: Annotated[str, typer.Option("--to", metavar="URL", help="The database that gets the copy.")],
    config_dir: ConfigDir = CONFIG_DIR,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Copy the whole mirror into an empty database, SQLite or PostgreSQL, while its worker goes on.

    Every row is read back and compared. Interrupted, nothing was copied: run it again.
    """
    logs.configure()
    from connector.commands import copying  # noqa: PLC0415
    from connector.mirror.copying import naming_target  # noqa: PLC0415

    failpoints.load(os.environ)
    source = load_beside(config_dir, data_dir, unused=("kafka",), database_url=database_url)
    with naming_target():
        target = load_beside(config_dir, data_dir, unused=("kafka",), database_url=to)
    raise typer.Exit(copying.run(source, target))


app.command()(simulate.simulate)
app.command()(simulate.send)
app.command()(simulate.sign)


@app.command("init")
def init_command(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where a folder config is made.")] = Path(),
) -> None:
    """Write the shipped configuration into DIR/config, to be changed there; never over a file."""
    from connector import shipped  # noqa: PLC0415

    to = folder / CONFIG_DIR
    for name, written in shipped.write(to).items():
        out.print(f"{'wrote' if written else 'kept '} {to / name}{'' if written else ' (it was there)'}")
    here = "" if folder == Path() else f"cd {folder} && "
    out.print(f"next  {here}connector up")


@app.command()
def version() -> None:
    """Print the connector's version."""
    print(__version__)


def _print_version(asked: bool) -> None:
    if asked:
        version()
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Receive XTND's signed webhooks, store them on Kafka, mirror them into SQL tables."""
