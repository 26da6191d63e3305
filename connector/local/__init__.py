"""The connector on one machine: broker, database file and all processes under one command."""

from pathlib import Path

from connector.local.data_dir import DataFolder
from connector.local.plan import UpOptions
from connector.local.stack import run_up

__all__ = ["UpOptions", "endpoints", "run_up"]


def endpoints(data_dir: Path, *, named: bool = False) -> dict[str, str]:
    """Environment variables that reach what ``connector up`` runs in ``data_dir``; may be empty.

    A folder that somebody ``named`` answers with its own mirror even where nothing was ever started.
    """
    data = DataFolder(data_dir)
    return data.endpoints() or ({"DATABASE_URL": data.database_url} if named else {})
