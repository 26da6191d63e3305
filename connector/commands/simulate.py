"""``connector simulate``, ``send`` and ``sign``: play XTND against a callback URL."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from connector import errors, safe_text
from connector.commands.options import (
    CALLBACK,
    CALLBACK_VARIABLE,
    CONFIG_DIR,
    DATA_DIR,
    ConfigDir,
    DataDir,
    callback,
    load_beside,
)
from connector.config import secret_text

if TYPE_CHECKING:
    from connector.simulator import PastOptions

out = Console(highlight=False, markup=False, soft_wrap=True)
MOST_DAYS = 1000
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
Deliveries = Annotated[int | None, typer.Option(min=0, help="How many deliveries. [1000, with --days 0]")]
Days = Annotated[
    int,
    typer.Option(
        min=0,
        max=MOST_DAYS,
        help="Play so many days first, dated back, straight to the Kafka of the demo in --data-dir.",
    ),
]
TimeScale = Annotated[float, typer.Option(min=0, help="Factor for XTND's retry pauses; 0.01 is fast.")]
Resume = Annotated[
    Path | None,
    typer.Option(help="Keep in this file how many deliveries have left, and go on after them."),
]
ApiPort = Annotated[
    int | None,
    typer.Option(
        min=0, max=65535, metavar="PORT", help="Serve the shop's REST API on this port until Ctrl-C."
    ),
]
Quirks = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="What the API does wrong (docs/simulator.md); repeatable."),
]
ApiRate = Annotated[int, typer.Option(min=1, help="Requests per minute and resource that the API accepts.")]
Deleted = Annotated[float, typer.Option(min=0, max=1, help="Share of the API's records that get deleted.")]


def simulate(
    url: CallbackUrl = None,
    *,
    deliveries: Deliveries = None,
    days: Days = 0,
    rate: Annotated[float, typer.Option(min=0, help="Deliveries per second; 0 is as fast as it goes.")] = 0,
    burst: Annotated[int, typer.Option(min=0, help="How many leave at once before that.")] = 0,
    disorder: Annotated[float, typer.Option(min=0, max=1, help="Share sent late, behind newer ones.")] = 0,
    duplicates: Annotated[float, typer.Option(min=0, max=1, help="Share sent again.")] = 0,
    seed: Annotated[int, typer.Option(help="The same seed plays the same shop.")] = 1,
    parallel: Annotated[int, typer.Option(min=1, help="Deliveries in flight at once.")] = 8,
    time_scale: TimeScale = 1,
    journal: Annotated[Path | None, typer.Option(help="Write every attempt and answer here.")] = None,
    resume: Resume = None,
    api: ApiPort = None,
    quirk: Quirks = None,
    api_rate: ApiRate = 300,
    withheld: Annotated[float, typer.Option(min=0, max=1, help="Share of hooks that are never sent.")] = 0,
    deleted: Deleted = 0,
    config_dir: ConfigDir = CONFIG_DIR,
    secret_file: SecretFile = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Play an XTND shop against a callback URL, and with --api its REST API as well."""
    from connector import local, simulator  # noqa: PLC0415

    past = _past(days, config_dir, data_dir) if days else None
    if past and resume is None:
        resume = local.DataFolder(data_dir).demo_file
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


def _past(days: int, config_dir: Path, data_dir: Path) -> "PastOptions":
    """A history for the Kafka of the demo in ``data_dir``."""
    from connector import local, simulator  # noqa: PLC0415
    from connector.local.demo import kafka_of  # noqa: PLC0415

    settings = load_beside(
        config_dir,
        data_dir,
        unused=("kafka", "database"),
        kafka=kafka_of(local.DataFolder(data_dir)),
        with_secrets=True,
    )
    return simulator.PastOptions(days=days, config=settings, folder=data_dir)


def send(
    files: Annotated[list[Path], typer.Argument(readable=False, help="Files that hold one body each.")],
    url: CallbackUrl = None,
    secret_file: SecretFile = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Sign files and post them as they are."""
    from connector import simulator  # noqa: PLC0415

    raise typer.Exit(
        simulator.FileSender(callback(url, data_dir), _secret(secret_file, data_dir)).send(files)
    )


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

    if str(body) == "-":
        data = sys.stdin.buffer.read()
    else:
        try:
            data = body.read_bytes()
        except OSError as error:
            what = f"{body} cannot be read: {error.strerror}."
            raise errors.StartupError(what, "name a file that holds the body's exact bytes") from None
    secret = _secret(secret_file, data_dir)
    if header is None:
        print(signature.sign(data, secret))  # noqa: T201
        return
    diagnosis = doctor.Doctor(data, [secret]).diagnose(header)
    if as_json:
        report = {
            "matches": diagnosis.matches,
            "findings": diagnosis.findings,
            "expected": diagnosis.expected,
        }
        print(safe_text.as_json(report))  # noqa: T201
    else:
        out.print("The signature matches." if diagnosis.matches else "The signature does not match.")
        for finding in diagnosis.findings:
            out.print(f"  {safe_text.plain(finding)}")
    raise typer.Exit(0 if diagnosis.matches else 1)


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
