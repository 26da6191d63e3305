"""The connector on one machine: broker, database file and all processes under one command."""

from pathlib import Path

from connector.local.data_dir import DataDir
from connector.local.plan import UpOptions
from connector.local.stack import run_up

__all__ = ["UpOptions", "run_up", "whereabouts"]


def whereabouts(data_dir: Path, *, named: bool = False) -> dict[str, str]:
    """Environment variables that reach what ``connector up`` runs in ``data_dir``; may be empty.

    A folder that somebody ``named`` answers with its own mirror even where nothing was ever started.
    """
    data = DataDir(data_dir)
    return data.whereabouts() or ({"DATABASE_URL": data.database_url} if named else {})
