# ruff: noqa: E501 - a command stands in one line, as on its page
"""Whatever README.md and docs/*.md say that one can type runs, or is listed here as what cannot, with the reason.

The README's commands beside a stack are run by tests/acceptance: test_readme.py, and its demo test_installed.py.
"""

import contextlib
import os
import re
import subprocess
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
import pytest
import typer
import yaml
from sqlalchemy import text as sql
from sqlalchemy.exc import SQLAlchemyError
from typer.testing import CliRunner

from connector import cli, clocks, config, events
from connector.config import Config
from connector.gateway import signature
from connector.gateway.records import Translator
from connector.kafka import topics
from connector.local.ports import free_port
from connector.mirror import database
from connector.simulator import past, wire
from connector.simulator.api import ApiOptions, SimulatedApi
from connector.simulator.records import ShopRecords
from connector.simulator.shop import Shop
from tests import pages, shop_api, strategies
from tests.acceptance import test_readme
from tests.conftest import DATABASES, ROOT, SECRET, MakeConfig, new_database, shipped
from tests.strategies import Mirror

DAY = 24 * 3600 * 1_000_000
# What cannot run where the tests do.
NOT_HERE = {
    "no Docker engine": [
        "docker compose up --build --detach --scale worker=3",
        "docker compose --file docker-compose.yml --file ops/compose/remote-kafka.yml up --build --detach",
        "docker compose --file docker-compose.yml --file ops/compose/remote-postgres.yml up --build --detach",
        """docker compose exec worker python -c "import http.client as h; c = h.HTTPConnection('localhost', 8082);
c.request('GET', '/readyz'); print(c.getresponse().read().decode())\"""",
    ],
    "no Kubernetes": [
        "kubectl create namespace xtnd-connector",
        "kubectl --namespace xtnd-connector create configmap xtnd-config --from-file=config",
        "kubectl --namespace xtnd-connector create secret generic xtnd-kafka --from-literal=KAFKA_BOOTSTRAP_SERVERS=kafka:9092",
        "kubectl --namespace xtnd-connector create secret generic xtnd-webhook --from-literal=XTND_WEBHOOK_SECRET=...",
        "kubectl --namespace xtnd-connector create secret generic xtnd-mirror --from-literal=DATABASE_URL=postgresql://...",
        "kubectl --namespace xtnd-connector create secret generic xtnd-api --from-literal=XTND_API_USER=... --from-literal=XTND_API_PASSWORD=...",
        "kubectl apply --kustomize ops/kubernetes",
    ],
    "as root, on a machine with systemd": [
        "python3 -m venv /opt/xtnd-connector",
        "/opt/xtnd-connector/bin/pip install --require-hashes --requirement requirements/runtime.lock",
        "/opt/xtnd-connector/bin/pip install --no-deps xtnd_connector-0.1.0-py3-none-any.whl",
        "/opt/xtnd-connector/bin/connector init /etc/xtnd-connector",
        "install --directory --mode 0700 /etc/xtnd-connector/secrets",
        "install --mode 0600 webhook-secret /etc/xtnd-connector/secrets/webhook-secret",
        "echo 'KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:9092' >/etc/xtnd-connector/kafka.env",
        "(umask 077; echo 'DATABASE_URL=postgresql://connector:…@127.0.0.1/mirror' >/etc/xtnd-connector/worker.env)",
        "cp ops/systemd/*.service /etc/systemd/system/",
        "env $(cat /etc/xtnd-connector/kafka.env) XTND_CONFIG_DIR=/etc/xtnd-connector/config /opt/xtnd-connector/bin/connector topics",
        "systemctl daemon-reload",
        "systemctl enable --now xtnd-gateway xtnd-worker@0",
    ],
    "plays until Ctrl-C; test_api_server.py has its API": [
        ".venv/bin/connector simulate --api 8090 --deliveries 1000 --rate 5 --quirk practical --withheld 0.02 --deleted 0.01"
    ],
    "needs DuckDB": ["SELECT action, count(*) FROM 'data/archive/*.parquet' GROUP BY action  -- DuckDB"],
}
# Where a command of a page writes to, whose options it is run with, and how it ends where that is not with 0.
TARGET = "postgresql://connector@db.example/mirror"
ENDS_WITH = {"connector status": 2}  # no gateway and no worker runs
COMMANDS = pages.commands()
LISTED = set(chain.from_iterable(NOT_HERE.values()))
ELSEWHERE = {line for line in test_readme.ALL if not line.startswith(("export ", "docker "))}
RUN_HERE = [
    one for one in COMMANDS if one.text not in LISTED | ELSEWHERE and not one.text.startswith("export ")
]
WEEK = re.compile(r"date\((\w+), 'weekday 0', '-6 days'\)")


def of_connector(command: str) -> list[str] | None:
    """The arguments of a ``connector …``, in whatever container or folder; None for another program."""
    # What docker compose runs is the image's own program.
    found = re.search(r"(?:(?:^|[/ ])connector|compose run --rm \w+) (?=[a-z-])(.*)", command, re.DOTALL)
    return pages.words(found[1]) if found else None


def parse(arguments: list[str]) -> None:
    """Take a command's arguments as it would, without running it; raises what typer has for it."""
    command = typer.main.get_command(cli.app)
    while (commands := getattr(command, "commands", {})) and arguments and not arguments[0].startswith("-"):
        name, *arguments = arguments
        assert name in commands
        command = commands[name]
    if arguments or not commands:
        command.make_context(command.name, arguments)


# --- What one can type is known ------------------------------------------------------------------


def test_what_is_listed_as_impossible_here_stands_on_a_page() -> None:
    assert {one.text for one in (*COMMANDS, *pages.queries())} >= LISTED


@pytest.mark.parametrize("one", [one for one in COMMANDS if of_connector(one.text)], ids=str)
def test_each_command_has_options_that_exist(one: pages.Typed) -> None:
    parse(of_connector(one.text) or [])


@pytest.mark.parametrize("one", [one for one in pages.mentioned() if of_connector(one.text)], ids=str)
def test_each_command_that_the_text_mentions_exists(one: pages.Typed) -> None:
    # A name alone stands for the command with whatever it needs.
    with contextlib.suppress(typer.BadParameter):
        parse(of_connector(one.text) or [])


def test_each_target_of_make_that_the_text_mentions_exists() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    mentioned = {pages.words(text)[1] for _, text in pages.mentioned() if text.startswith("make ")}
    assert {"up", "bench"} <= mentioned <= set(targets)


def test_what_is_passed_to_docker_and_kubectl_exists() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    profiles = {one for service in services.values() for one in service.get("profiles", ())}
    typed = [*COMMANDS, *pages.mentioned()]
    for page, text in (one for one in typed if one.text.startswith(("docker ", "kubectl ", "cp "))):
        assert set(re.findall(r"(?:exec|run --rm|--scale) (\w+)(?= |=)", text)) <= services.keys(), (
            f"{page}: {text}"
        )
        assert set(re.findall(r"--profile (\w+)", text)) <= profiles, f"{page}: {text}"
        for path in re.findall(r"(?<![\w/.])ops/[\w./*-]+", text):
            assert list(ROOT.glob(path)), f"{page}: {path}"


def test_each_variable_that_is_set_is_one_that_docker_compose_passes_on() -> None:
    files = [ROOT / "docker-compose.yml", *(ROOT / "ops" / "compose").iterdir()]
    known = {name for file in files for name in re.findall(r"\$\{(\w+)", file.read_text())}
    exported = [one for one in COMMANDS if one.text.startswith("export ")]
    assert exported
    for page, text in exported:
        assert {word.partition("=")[0] for word in pages.words(text)[1:]} <= known, f"{page}: {text}"


# --- What one can type runs ----------------------------------------------------------------------


class Place:
    """A folder with a configuration that archives, and what else the environment of a command has."""

    def __init__(self, folder: Path, bootstrap: str) -> None:
        self.folder = folder
        changes = {
            "connector.yaml": [
                (r"# retention: (.*)", r"mirror: {retention: \1}"),
                *((rf"admin_port: {port}", f"admin_port: {free_port()}") for port in (8081, 8082, 8083)),
            ],
            "topics.yaml": [
                (r"prefix: xtnd\.", f"prefix: docs{os.getpid()}."),
                (r"partitions: 12", "partitions: 1"),
            ],
            "sources.yaml": [(r"requests_per_minute: 300", "requests_per_minute: 100000")],
        }
        (folder / "config").mkdir()
        (folder / "data").mkdir(mode=0o700)
        texts = shipped(records=True)
        for name, some in changes.items():
            for old, new in some:
                texts[name], found = re.subn(old, new, texts[name], count=1)
                assert found, old
        for name, text in texts.items():
            (folder / "config" / name).write_text(text)
        self.environ = {
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "XTND_WEBHOOK_SECRET": SECRET,
            "XTND_API_URL": f"http://127.0.0.1:{free_port()}/RESTAPI/v1_0/demo",
            "XTND_API_USER": "simulator",
            "XTND_API_PASSWORD": "simulator",
        }

    def config(self, url: str) -> Config:
        return config.load(self.folder / "config", self.environ | {"DATABASE_URL": url}, with_login=True)


class Record(msgspec.Struct):
    """A record as the simulated shop has it."""

    family: str
    key: str
    body: msgspec.Raw


Lived = tuple[list[past.Happened], ShopRecords]


@pytest.fixture(scope="module")
def lived() -> Lived:
    """Three days of a shop, fourteen months ago: what it posted, and its records."""
    clock = past.ShopClock()
    records = ShopRecords(1, clock=clock)
    happened, _ = past.play(Shop(1, records), clock, 3, clocks.now() - 430 * DAY, seed=1)
    return happened, records


def fill(mirror: Mirror, lived: Lived) -> None:
    """Write what the shop posted, and its records as they were fetched."""
    hook = mirror.config.hooks["xtnd"]
    translator, keys = Translator(mirror.config), signature.Keys.of("xtnd", hook)
    made = []
    for one in past.posts(lived[0], hook, seed=1):
        body = wire.render(one.delivery, one.attempt)
        verified = signature.verify([signature.sign(body, SECRET).encode()], body, keys)
        made += [events.decode(each.value) for each in translator.records(verified, one.received_at)]
    mirror.write(*made)
    sources = mirror.config.sources
    assert sources is not None
    now = clocks.now()
    records = SimulatedApi(lived[1], 1, ApiOptions()).answer("GET", "/simulator/truth", {}).body
    for line in records.splitlines():
        record = msgspec.json.decode(line, type=Record)
        if (entity := sources.entities.get(record.family)) and bytes(record.body) != b"null":
            whose: dict[str, Any] = {"source": "xtnd", "family": record.family, "entity": entity.entity}
            mirror.write(
                events.snapshot(key=record.key, body=bytes(record.body), at=now, received_at=now, **whose)
            )


@pytest.fixture(scope="module")
def place(
    tmp_path_factory: pytest.TempPathFactory, kafka_bootstrap: str, postgres: Any, lived: Lived
) -> Iterator[Place]:
    found = Place(tmp_path_factory.mktemp("docs"), kafka_bootstrap)
    service = SimulatedApi(lived[1], 1, ApiOptions(rate=100_000))
    with shop_api.answering(service, found.environ["XTND_API_URL"]):
        topics.ensure(found.config("sqlite:///unused"))
        yield found


@pytest.fixture(scope="module")
def mirrors(request: pytest.FixtureRequest, place: Place, lived: Lived) -> Iterator[dict[str, Mirror]]:
    with contextlib.ExitStack() as stack:
        found: dict[str, Mirror] = {}
        for dialect in DATABASES:
            url = new_database(dialect, request, place.folder / "data" / "mirror.db")
            found[dialect] = stack.enter_context(strategies.mirror(place.config(url), copied=True))
            fill(found[dialect], lived)
        yield found


@pytest.mark.parametrize("one", RUN_HERE, ids=str)
def test_a_command_of_the_pages_runs(
    one: pages.Typed, place: Place, mirrors: dict[str, Mirror], postgres: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place.folder)
    url, environ = database.url_of(mirrors["postgresql"].config.database), place.environ
    if one.text.startswith("connector schema grant"):
        environ = environ | {"DATABASE_URL": url.render_as_string(hide_password=False)}
    if one.text.startswith("psql "):
        server = {"PGHOST": str(url.host), "PGPORT": str(url.port), "PGUSER": str(url.username)}
        path = f"{postgres.programs}:{os.environ['PATH']}"
        subprocess.run(pages.words(one.text), env={**os.environ, **server, "PATH": path}, check=True)
        return
    arguments = of_connector(one.text)
    assert arguments, f"{one.page}: {one.text}: neither run nor listed"
    if TARGET in arguments:
        arguments[arguments.index(TARGET)] = postgres.new_database()
    with mock.patch.dict(os.environ):  # where a command puts what it finds in a data folder
        done = CliRunner().invoke(cli.app, arguments, env=environ, input="y\n", catch_exceptions=False)
    assert done.exit_code == ENDS_WITH.get(one.text, 0), done.output


# What has to be there for a query of a page.
PREPARED = {
    "my_orders": ["CREATE TABLE my_orders AS SELECT * FROM orders"],
    "CREATE SCHEMA": ["CREATE ROLE connector", "ALTER SCHEMA public_store RENAME TO former_store"],
}
OF_SHOPS = re.compile(r"\bshop\b")


def run(mirror: Mirror, queries: list[pages.Typed]) -> None:
    """Run those that are for the mirror's database, and undo what they do.

    One that is for a database alone says so in a comment. Those about weeks are written for SQLite.
    """
    dialect = mirror.engine.dialect.name
    for page, query in queries:
        only = re.search(r"-- (SQLite|PostgreSQL)$", query)
        if only and only[1].lower() != dialect:
            continue
        text = WEEK.sub(r"date_trunc('week', \1)::date", query) if dialect == "postgresql" else query
        with mirror.engine.connect() as connection:
            for word, statements in PREPARED.items():
                for statement in statements if word in query else ():
                    connection.execute(sql(statement))
            try:
                connection.execute(sql(text.replace(":", r"\:")))
            except SQLAlchemyError as error:
                raise AssertionError(f"{page}: {query}: {error}") from error
            connection.rollback()


QUERIES = [one for one in dict.fromkeys(pages.queries()) if one.text not in LISTED]


@pytest.mark.parametrize("dialect", DATABASES)
def test_each_query_of_the_pages_runs(dialect: str, mirrors: dict[str, Mirror]) -> None:
    run(mirrors[dialect], [one for one in QUERIES if not OF_SHOPS.search(one.text)])


def test_each_query_about_several_shops_runs(make_config: MakeConfig, database_url: str) -> None:
    config = make_config(
        {"database.url": database_url, "mirror.key_by_shop": True, "hooks.xtnd.shop": "nordic"}
    )
    queries = [one for one in QUERIES if OF_SHOPS.search(one.text)]
    assert queries
    with strategies.mirror(config, copied=True) as mirror:
        run(mirror, queries)
