"""Options that several commands share, and the configuration that they give."""

import os
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer

from connector import config
from connector.config import Config

log = structlog.get_logger(__name__)

ConfigDir = Annotated[
    Path, typer.Option("--config", envvar="XTND_CONFIG_DIR", help="Folder with the three YAML files.")
]
Kafka = Annotated[
    str | None, typer.Option("--kafka", help="HOST:PORT of Kafka, instead of kafka.bootstrap_servers.")
]
DatabaseUrl = Annotated[
    str | None, typer.Option("--database-url", help="The mirror, instead of database.url.")
]
DataDir = Annotated[Path, typer.Option("--data-dir", envvar="XTND_DATA_DIR", help="Where data is kept.")]
AcceptMapping = Annotated[
    bool,
    typer.Option(
        "--accept-mapping",
        envvar="XTND_ACCEPT_MAPPING",
        help="Take a changed tables.yaml although events of the ledger no longer fit it; such are parked.",
    ),
]
CONFIG_DIR = Path("config")
DATA_DIR = Path("data")


def load(config_dir: Path, *, with_secrets: bool = False, **overrides: Any) -> Config:
    """The configuration of a process, from its environment and options alone."""
    names = {
        "kafka": "kafka.bootstrap_servers",
        "database_url": "database.url",
        "port": "gateway.port",
        "admin_port": "gateway.admin_port",
        "reuse_port": "gateway.reuse_port",
        "worker_admin_port": "worker.admin_port",
    }
    given = {names[name]: value for name, value in overrides.items() if value is not None}
    return config.load(config_dir, os.environ, given, with_secrets=with_secrets)


def load_process(config_dir: Path, *, with_secrets: bool = False, **overrides: Any) -> Config:
    """As ``load``, for a process that stays: what is odd about the configuration is logged."""
    settings = load(config_dir, with_secrets=with_secrets, **overrides)
    for odd in settings.warnings:
        log.warning("probably not meant", where=odd.where, what=odd.what, fix=odd.cure)
    return settings


def load_beside(config_dir: Path, data_dir: Path, *, with_secrets: bool = False, **overrides: Any) -> Config:
    """As ``load``, for a person's command: what ``connector up`` runs in ``data_dir`` is found."""
    from connector.local import whereabouts  # noqa: PLC0415

    for variable, value in whereabouts(data_dir).items():
        os.environ.setdefault(variable, value)
    return load(config_dir, with_secrets=with_secrets, **overrides)
