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
    schema,
    status,
    sweep,
)
from connector.commands.options import (
    CALLBACK,
    CALLBACK_VARIABLE,
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
    callback,
    config_folder,
    load,
    load_beside,
    load_process,
)
from connector.config import secret_text

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

MOST_DAYS = 1000
PortOption = Annotated[int | None, typer.Option("--port", min=1, max=65535, help="The public port.")]
AdminPort = Annotated[
    int | None, typer.Option("--admin-port", min=1, max=65535, help="Health and metrics, on 127.0.0.1.")
]
ReusePort = Annotated[
    bool | None,
    typer.Option("--reuse-port", help="Share the public port with other gateways of this machine."),
]
CallbackUrl = Annotated[
    str | None,
    typer.Option(
        "--url",
        envvar=CALLBACK_VARIABLE,
        help=f"Callback URL; else that of the stack in --data-dir, or {CALLBACK}.",
    ),
]
SecretFile = Annotated[
    Path | None,
    typer.Option(
        "--secret-file", readable=False, help="File with the hook's secret; else XTND_WEBHOOK_SECRET."
    ),
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
            min=0, max=MOST_DAYS, help="With --demo: days of history that its shop starts with. [90]"
        ),
    ] = None,
) -> None:
    """Run everything on this machine: broker, topics, gateway, worker and a SQLite mirror."""
    from connector import local  # noqa: PLC0415 - each command loads only its own package

    folder = config_folder(config_dir)
    settings = load(folder, unused=("kafka", "database"))
    options = local.UpOptions(
        config_dir=folder,
        data_dir=data_dir,
        kafka=kafka,
        database_url=database_url,
        host=host,
        port=port or 8080,
        admin_port=admin_port or 8081,
        accept_mapping=accept_mapping,
        demo=demo,
        days=local.HISTORY_DAYS if days is None else days,
        hydrate=settings.sources is not None,
        hooks=tuple(settings.hooks),
        command=sys.argv[0] if Path(sys.argv[0]).name == "connector" else "connector",
    )
    raise typer.Exit(local.run_up(options))


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
    rows.print_rows(("topic", "partitions", "retention", "state"), planned, Format.table)
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
    accept_mapping: AcceptMapping = False,
) -> None:
    """Check the configuration, the broker, the topics, the database and the API; print each failure's fix."""
    from connector.commands import api_checkup, checkup  # noqa: PLC0415

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
    for result in itertools.chain(results, api_checkup.results(settings)):
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
    from connector.commands.rows import print_rows  # noqa: PLC0415
    from connector.mirror import database, steps  # noqa: PLC0415
    from connector.mirror import losses as kept  # noqa: PLC0415

    settings = load_beside(config_dir, data_dir, unused=("kafka",), database_url=database_url)
    engine = database.connect(settings.database, access="write" if acknowledge else "read")
    steps.require(engine)
    found = kept.unacknowledged(engine)
    columns = [name for name, _ in kept.COLUMNS]
    print_rows(columns, [[getattr(one, name) for name in columns] for one in found], format_)
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
    from connector.commands.rows import print_rows  # noqa: PLC0415
    from connector.mirror import database  # noqa: PLC0415
    from connector.mirror.query import run  # noqa: PLC0415

    settings = load_beside(config_dir, data_dir, unused=("kafka",), database_url=database_url)
    result = run(database.connect(settings.database, access="read"), sql)
    print_rows(result.columns, result.rows, Format.json if as_json else format_)


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
    found, events = checkup.verify(settings, journal, deep=deep)
    if found and repair:
        rebuild.repair(settings, accept_smaller_ledger=accept_smaller_ledger)
        found, events = checkup.verify(settings, journal, deep=deep)
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
app.command()(backup.restore)


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


@app.command()
def simulate(
    url: CallbackUrl = None,
    deliveries: Annotated[
        int | None, typer.Option(min=0, help="How many deliveries. [1000, with --days 0]")
    ] = None,
    days: Annotated[
        int,
        typer.Option(
            min=0,
            max=MOST_DAYS,
            help="Play so many days first, dated back, straight to the Kafka of the demo in --data-dir.",
        ),
    ] = 0,
    rate: Annotated[float, typer.Option(min=0, help="Deliveries per second; 0 is as fast as it goes.")] = 0,
    burst: Annotated[int, typer.Option(min=0, help="How many leave at once before that.")] = 0,
    disorder: Annotated[float, typer.Option(min=0, max=1, help="Share sent late, behind newer ones.")] = 0,
    duplicates: Annotated[float, typer.Option(min=0, max=1, help="Share sent again.")] = 0,
    seed: Annotated[int, typer.Option(help="The same seed plays the same shop.")] = 1,
    parallel: Annotated[int, typer.Option(min=1, help="Deliveries in flight at once.")] = 8,
    time_scale: Annotated[
        float, typer.Option(min=0, help="Factor for XTND's retry pauses; 0.01 is fast.")
    ] = 1,
    journal: Annotated[Path | None, typer.Option(help="Write every attempt and answer here.")] = None,
    resume: Annotated[
        Path | None,
        typer.Option(help="Keep in this file how many deliveries have left, and go on after them."),
    ] = None,
    api: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, metavar="PORT", help="Serve the shop's REST API on this port until Ctrl-C."
        ),
    ] = None,
    quirk: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="What the API does wrong (docs/simulator.md); repeatable."),
    ] = None,
    api_rate: Annotated[
        int, typer.Option(min=1, help="Requests per minute and resource that the API accepts.")
    ] = 300,
    withheld: Annotated[float, typer.Option(min=0, max=1, help="Share of hooks that are never sent.")] = 0,
    deleted: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the API's records that get deleted.")
    ] = 0,
    config_dir: ConfigDir = CONFIG_DIR,
    secret_file: SecretFile = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Play an XTND shop against a callback URL, and with --api its REST API as well."""
    from connector import local, simulator  # noqa: PLC0415

    past = None
    if days:
        kafka = local.demo_kafka(data_dir)
        settings = load_beside(
            config_dir, data_dir, unused=("kafka", "database"), kafka=kafka, with_secrets=True
        )
        past = simulator.PastOptions(days=days, config=settings, folder=data_dir)
        resume = resume or local.DataFolder(data_dir).demo_file
    if deliveries is None:
        deliveries = 0 if days else 1000
    options = simulator.SimulateOptions(
        url=callback(url, data_dir),
        secret=_secret(secret_file, data_dir),
        seed=seed,
        deliveries=deliveries,
        rate=rate,
        burst=burst,
        disorder=disorder,
        duplicates=duplicates,
        parallel=parallel,
        time_scale=time_scale,
        journal=journal,
        resume=resume,
        past=past,
        withheld=withheld,
        deleted=deleted,
        api_port=api,
        api=simulator.api_options(quirk or [], api_rate),
    )
    raise typer.Exit(simulator.run_simulation(options))


@app.command()
def send(
    files: Annotated[list[Path], typer.Argument(readable=False, help="Files that hold one body each.")],
    url: CallbackUrl = None,
    secret_file: SecretFile = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Sign files and post them as they are."""
    from connector import simulator  # noqa: PLC0415

    raise typer.Exit(simulator.send_files(callback(url, data_dir), _secret(secret_file, data_dir), files))


@app.command()
def sign(
    body: Annotated[
        Path, typer.Argument(readable=False, help="File with the body's exact bytes; - for standard input.")
    ],
    header: Annotated[
        str | None, typer.Option("--header", help="The ms-signature header of the request.")
    ] = None,
    secret_file: SecretFile = None,
    data_dir: DataDir = DATA_DIR,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print a body's signature, or why a signature does not match."""
    from connector.gateway import doctor, signature  # noqa: PLC0415

    data = sys.stdin.buffer.read() if str(body) == "-" else _bytes(body)
    secret = _secret(secret_file, data_dir)
    if header is None:
        print(signature.sign(data, secret))
        return
    diagnosis = doctor.diagnose(data, header, [secret])
    if as_json:
        report = {
            "matches": diagnosis.matches,
            "findings": diagnosis.findings,
            "expected": diagnosis.expected,
        }
        print(safe_text.as_json(report))
    else:
        out.print("The signature matches." if diagnosis.matches else "The signature does not match.")
        for finding in diagnosis.findings:
            out.print(f"  {safe_text.plain(finding)}")
    raise typer.Exit(0 if diagnosis.matches else 1)


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


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise errors.StartupError(
            f"{file} cannot be read: {error.strerror}.", "name a file that holds the body's exact bytes"
        ) from None


def _secret(file: Path | None, data_dir: Path) -> str:
    """The hook's secret: from a file, else from the environment, else as ``make up`` keeps it."""
    own = data_dir / "webhook-secret"
    given = secret_text.without_accidents(os.environ.get("XTND_WEBHOOK_SECRET", ""))
    if file is None and given:
        return given
    try:
        return secret_text.read(file or own)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise errors.StartupError(
            f"There is no secret: {file or own} cannot be read ({reason}).",
            "set XTND_WEBHOOK_SECRET, or name the file (--secret-file), or make up's folder (--data-dir)",
        ) from None
