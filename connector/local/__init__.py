"""The connector on one machine: broker, database file and all processes under one command."""

from pathlib import Path

from connector.local.data_dir import DataFolder
from connector.local.demo import HISTORY_DAYS, kafka_of
from connector.local.plan import UpOptions
from connector.local.stack import run_up

__all__ = ["HISTORY_DAYS", "DataFolder", "UpOptions", "demo_kafka", "endpoints", "run_up"]


def endpoints(data_dir: Path, *, named: bool = False) -> dict[str, str]:
    """Environment variables that reach what ``connector up`` runs in ``data_dir``; may be empty.

    A folder that somebody ``named`` answers with its own mirror even where nothing was ever started.
    """
    data = DataFolder(data_dir)
    return data.endpoints() or ({"DATABASE_URL": data.database_url} if named else {})


def demo_kafka(data_dir: Path) -> str:
    """Where the Kafka of the demo in a folder is; raises ``StartupError`` where there is no demo."""
    return kafka_of(DataFolder(data_dir))
