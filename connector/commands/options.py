"""Options that several commands share, and the configuration that they give."""

import os
import re
from collections.abc import Collection
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer

from connector import config, logs, shipped
from connector.config import Config
from connector.errors import StartupError

log = structlog.get_logger(__name__)

ConfigDir = Annotated[
    Path,
    typer.Option(
        "--config",
        envvar="XTND_CONFIG_DIR",
        readable=False,
        help="Folder with the YAML files (connector init writes them).",
    ),
]
Kafka = Annotated[
    str | None, typer.Option("--kafka", help="HOST:PORT of Kafka, instead of kafka.bootstrap_servers.")
]
DatabaseUrl = Annotated[
    str | None, typer.Option("--database-url", help="The mirror, instead of database.url.")
]
DataDir = Annotated[
    Path, typer.Option("--data-dir", envvar="XTND_DATA_DIR", readable=False, help="Where data is kept.")
]
AcceptSmallerLedger = Annotated[
    bool,
    typer.Option(
        "--accept-smaller-ledger",
        help="Make tables from a ledger that somebody deleted events from; what these gave is gone then.",
    ),
]
AcceptMapping = Annotated[
    bool,
    typer.Option(
        "--accept-mapping",
        envvar="XTND_ACCEPT_MAPPING",
        help="Accept a changed tables.yaml although events of the ledger no longer fit it; those are parked.",
    ),
]


class Format(StrEnum):
    """How rows are printed."""

    table = "table"
    record = "record"
    csv = "csv"
    json = "json"


OPTION = re.compile(r"--([\w-]+(=.*)?)?", re.DOTALL)
CONFIG_DIR = Path("config")
DATA_DIR = Path("data")
# Where deliveries go when no stack that runs says otherwise.
CALLBACK = "http://127.0.0.1:8080/webhooks/xtnd"
CALLBACK_VARIABLE = "XTND_CALLBACK_URL"
# What a data folder gives, by section, and the option and the variable that give it too.
FOUND_BESIDE = (
    ("kafka", "kafka", "KAFKA_BOOTSTRAP_SERVERS"),
    ("database", "database_url", "DATABASE_URL"),
)


def behind_options(arguments: list[str]) -> list[str]:
    """Move arguments that start with an SQL comment, which look like options, behind the options."""
    comments = [one for one in arguments if one.startswith("--") and not OPTION.fullmatch(one)]
    if not comments or "--" in arguments:
        return arguments
    return [*(one for one in arguments if one not in comments), "--", *comments]


def config_folder(config_dir: Path) -> Path:
    """The folder itself; that of the shipped files where nobody named one and the usual one is missing."""
    unnamed = config_dir == CONFIG_DIR and "XTND_CONFIG_DIR" not in os.environ
    return shipped.folder() if unnamed and not os.path.lexists(config_dir) else config_dir


def load(
    config_dir: Path,
    *,
    with_secrets: bool = False,
    with_login: bool = False,
    unused: Collection[str] = (),
    **overrides: Any,
) -> Config:
    """The configuration of a process, from its environment and options alone.

    ``with_secrets`` and ``with_login`` are for who verifies deliveries and who fetches records.
    ``unused`` are the sections (``kafka``, ``database``) whose secrets the command does not need.
    """
    names = {
        "kafka": "kafka.bootstrap_servers",
        "database_url": "database.url",
        "host": "gateway.host",
        "port": "gateway.port",
        "admin_port": "gateway.admin_port",
        "reuse_port": "gateway.reuse_port",
        "worker_admin_port": "worker.admin_port",
        "hydrator_admin_port": "hydrator.admin_port",
    }
    given = {names[name]: value for name, value in overrides.items() if value is not None}
    return config.load(
        config_dir, os.environ, given, with_secrets=with_secrets, with_login=with_login, unused=unused
    )


def load_process(config_dir: Path, **options: Any) -> Config:
    """As ``load``, for a process that stays: it logs as configured, first the configuration's warnings."""
    settings = load(config_dir, **options)
    logs.configure(level=settings.logging.level)
    for one in settings.warnings:
        log.warning("configuration warning", where=one.where, what=one.what, fix=one.cure)
    return settings


def load_beside(config_dir: Path, data_dir: Path, *, unused: Collection[str] = (), **options: Any) -> Config:
    """As ``load``, for a person's command: finds what ``connector up`` runs in ``data_dir``.

    Raises ``StartupError`` for a folder that was named, is needed, and is not there.
    """
    from connector.local import endpoints  # noqa: PLC0415

    named = data_dir not in (DATA_DIR, Path(os.environ.get("XTND_DATA_DIR", DATA_DIR)))
    needed = any(
        section not in unused and not options.get(option) and not os.environ.get(variable)
        for section, option, variable in FOUND_BESIDE
    )
    if named and needed and not data_dir.is_dir():
        raise StartupError(
            f"There is no folder {data_dir}.", "name the folder of connector up with --data-dir"
        )
    if data_dir.exists() and not os.access(data_dir, os.R_OK | os.X_OK):
        raise StartupError(
            f"The folder {data_dir} cannot be read by this user (uid {os.geteuid()}).",
            "run as the user whose folder it is, or name another with --data-dir",
        )
    for variable, value in endpoints(data_dir, named=named).items():
        os.environ.setdefault(variable, value)
    return load(config_folder(config_dir), unused=unused, **options)


def callback(url: str | None, data_dir: Path) -> str:
    """Where deliveries go: to a URL, else to the stack that runs, or ran last, in a data folder."""
    from connector.local import endpoints  # noqa: PLC0415

    return url or endpoints(data_dir).get(CALLBACK_VARIABLE) or CALLBACK
