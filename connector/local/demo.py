"""``connector up --demo``: a simulated shop with its API, beside a connector that knows nothing of it."""

from collections.abc import Mapping
from pathlib import Path

from connector.errors import StartupError
from connector.local.data_dir import DataFolder
from connector.simulator.api import ApiOptions
from connector.simulator.resume import ResumeFile

HOOKS_PER_SECOND = 2
# Without a history so many leave at once, so that there are orders to look at.
OPENING = 200
# How long the shop is there when the demo starts.
HISTORY_DAYS = 90
# Requests per minute and resource: enough for these hooks; XTND's limit is 300 as a rule, 3,000 for some.
API_RATE = 3000
# Without end, as far as people are concerned.
DELIVERIES = 1_000_000_000
# XTND's pauses of 60 s and 240 s become 3 s and 12 s.
TIME_SCALE = 0.05
# The data of a demo and that of a shop do not mix.
OTHER_PLACES = ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL", "XTND_API_URL")


class Demo:
    """The shop's process: its API answers on ``port``, its hooks go to ``callback``.

    It starts with so many ``days`` of history; 0 for none.
    """

    def __init__(self, data: DataFolder, port: int, callback: str, days: int) -> None:
        self._data = data
        self.port = port
        self.days = days
        self._callback = callback

    def is_open(self) -> bool:
        """Whether its history is on Kafka, or a hook has left."""
        return ResumeFile(self._data.demo_file).read().left > 0

    def arguments(self, config_dir: Path) -> list[str]:
        """The command line after ``connector``."""
        options = {
            "config": config_dir.absolute(),
            "days": self.days,
            "url": self._callback,
            "api": self.port,
            "api-rate": API_RATE,
            "rate": HOOKS_PER_SECOND,
            "burst": 0 if self.days else OPENING,
            "deliveries": DELIVERIES,
            "time-scale": TIME_SCALE,
            "resume": self._data.demo_file,
            "data-dir": self._data.path,
        }
        return ["simulate", *(text for name, value in options.items() for text in (f"--{name}", str(value)))]

    def environment(self) -> dict[str, str]:
        """Where the connector finds the shop's API, and the login that both have."""
        login = ApiOptions()
        return {
            "XTND_API_URL": f"http://127.0.0.1:{self.port}/RESTAPI/v1_0/{login.client}",
            "XTND_API_USER": login.user,
            "XTND_API_PASSWORD": login.password,
        }


def check(data: DataFolder, places: Mapping[str, str | None], *, demo: bool) -> None:
    """Keep a demo and a shop apart; ``places`` are the options and variables that name other servers.

    Raises ``StartupError`` for a demo on the data of a shop or on other servers, and for the reverse.
    """
    if not demo:
        if data.demo_file.exists():
            what = f"The data directory {data.path} holds what a demo made"
            raise StartupError(what, "give --demo, or another --data-dir, or remove the directory")
        return
    if named := [name for name, value in places.items() if value]:
        raise StartupError(
            f"A demo has servers of its own, and {' and '.join(named)} names another one",
            f"start it without {' and '.join(named)}",
        )
    if (data.path / "mirror.db").exists() and not data.demo_file.exists():
        what = f"The data directory {data.path} holds a mirror that no demo made"
        raise StartupError(what, "give another --data-dir, such as --data-dir demo")


def kafka_of(data: DataFolder) -> str:
    """Where a demo's Kafka is, whatever the environment says.

    Raises ``StartupError`` for a folder that is no demo's: what has the time of former days is made up.
    """
    kafka = data.endpoints().get("KAFKA_BOOTSTRAP_SERVERS", "") if data.demo_file.exists() else ""
    if not kafka:
        what = f"--days plays a history that never was, into a demo alone, and {data.path} holds none"
        raise StartupError(what, "start one (connector up --demo --data-dir demo), and name its --data-dir")
    return kafka
