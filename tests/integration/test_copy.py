"""``connector copy``: the same mirror in another database, from which a worker goes on."""

import contextlib
import itertools
import json
import os
import signal
import subprocess
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connector import cli, events, failpoints
from connector.commands import copying as commands
from connector.config import Config
from connector.errors import ConnectorError, DatabaseOutage, Poison, StartupError
from connector.local.ports import free_port
from connector.mirror import copying, database, offsets, readers, schema, steps, verify
from connector.mirror.chunks import Chunk, Letter
from connector.mirror.copied_rows import meaning
from connector.mirror.mapping import Mapping
from connector.mirror.statements import quoted
from connector.mirror.tables import Tables
from tests import processes, workers
from tests.conftest import DATABASES, ROOT, MakeConfig, new_database
from tests.strategies import NOON, Mirror
from tests.workers import balances

ARCHIVE_OF_A_RUN = "2, 'm', '/far/two', 's', 1, 1, 0, now(), NULL, NULL"
JSON_COLUMNS = ("details", "properties", "context")
TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])) | st.sampled_from(
    ["\u2028", "\\N", "\t\n\r", "'\"\\", "NULL", "", "x" * 100_000, "\U0001f600"]
)
NUMBERS = st.decimals(
    allow_nan=False, allow_infinity=False, places=6, min_value=-(10**50), max_value=10**50
) | (st.integers(-(2**63) - 2, 2**63 + 2).map(Decimal))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | TEXT
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
LETTER = {
    "stage": "worker",
    "reason": "r",
    "error": "e",
    "hook": None,
    "action": None,
    "event_id": None,
    "context": '{"b": 1, "a": "\u2028"}',
    "kafka_topic": "t",
    "kafka_partition": 0,
    "kafka_offset": 1,
    "parked_at": events.iso(NOON),
    "state": "parked",
    "state_at": events.iso(NOON + 1),
}


@pytest.fixture
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """URLs of new databases, by dialect."""

    def make(dialect: str) -> str:
        return new_database(dialect, request, tmp_path / f"{uuid.uuid4().hex}.db")

    return make


def moved(config: Config, url: str) -> Config:
    """The configuration with another database."""
    return Config.model_validate(config.model_copy(update={"database": _database(config, url)}))


def _database(config: Config, url: str) -> Any:
    return type(config.database)(**{**config.database.model_dump(), "url": url})


def copy(
    source: Config, target: Config, observe: Callable[[str, int, int], Any] = lambda *_: None
) -> copying.Copied:
    reading, writing = database.connect(source.database, access="read"), database.connect(target.database)
    try:
        return copying.copy(reading, writing, target, Mapping(target), observe)
    finally:
        reading.dispose()
        writing.dispose()


def content(config: Config) -> dict[str, list[dict[str, Any]]]:
    """Every cell of the store, in values that are equal on both databases; rules are of the database."""
    engine = database.connect(config.database, access="read")
    found = {}
    with database.transaction(engine) as connection:
        for table in Tables(Mapping(config)).metadata.sorted_tables:
            if table.name == "_mirror_rules":
                continue
            names = [
                f"CAST({name} AS TEXT) AS {name}" if name in JSON_COLUMNS else quoted(name)
                for name in table.columns.keys()  # noqa: SIM118 - a collection of columns
            ]
            rows = connection.exec_driver_sql(f"SELECT {', '.join(names)} FROM {quoted(table.name)}")
            plain = [{name: _plain(name, value) for name, value in row._mapping.items()} for row in rows]
            keys = [column.name for column in table.primary_key]
            found[table.name] = sorted(plain, key=lambda row: [row[key] for key in keys])
    engine.dispose()
    return found


def _plain(name: str, value: Any) -> Any:
    if name in JSON_COLUMNS:
        return json.loads(value, parse_int=Decimal, parse_float=Decimal)
    if hasattr(value, "tzinfo"):
        return events.iso(events.microseconds(value))
    if isinstance(value, Decimal):
        return format(value, "f")
    return bytes(value) if isinstance(value, bytes | memoryview) else value if value is None else str(value)


def differing(config: Config) -> list[str]:
    engine = database.connect(config.database, access="read")
    steps.require(engine)
    return verify.differences(engine, Mapping(config))


def letter(mirror: Mirror, number: int, payload: bytes) -> None:
    row = {"dead_letter_id": f"d{number}", "payload": payload, **LETTER}
    mirror.sink.write([Chunk("dead", 0, number, number, number + 1, letters=[Letter(number, row)])])


def test_a_copy_of_a_copy_has_every_cell_of_the_first_source(
    make_config: MakeConfig, new_url: Callable[[str], str]
) -> None:
    config = make_config({"database.url": new_url("sqlite")})
    mirror = Mirror(database.connect(config.database), config)
    written, letters = itertools.count(), itertools.count()

    @settings(max_examples=8)
    @given(
        st.lists(st.tuples(TEXT, TEXT, NUMBERS, JSON, st.integers(0, 2**52)), min_size=3, max_size=8),
        st.binary(max_size=99),
    )
    @example([("U\u2028", "\\", Decimal(10**40), {"a": [1.10, 1e200, 10**30]}, 1)], bytes(range(256)))
    def fill(values: Any, payload: bytes) -> None:
        mirror.now += 1
        good = []
        for text, other, number, data, at in values:
            details = {"ProductNumber": text, "Warehouse": "N", "EventName": other, "Balance": str(number)}
            for action, some in (("BalanceChanged", details), ("Unheard", {"Of": data})):
                raw = json.dumps(some).encode()
                with contextlib.suppress(Poison):
                    events.read_json("Details", raw)
                    events.refuse_nul("Details", raw)
                    event = mirror.event(action, raw, delivery=f"{next(written)}", at=at)
                    mirror.mapping.contributions(event)
                    good.append(event)
        mirror.write(*good)
        letter(mirror, next(letters), payload)

    fill()
    with database.transaction(mirror.engine) as connection:
        connection.exec_driver_sql(
            "INSERT INTO _mirror_losses (topic, partition, first_offset, found_at) "
            f"VALUES ('t', 0, 5, '{events.iso(NOON)}')"
        )
    wanted = content(config)
    assert wanted["_stock_balances"]
    assert len(wanted["_dead_letters"]) > 1
    before = config
    for dialect in ("postgresql", "postgresql", "sqlite", "sqlite"):
        after = moved(config, new_url(dialect))
        copied = copy(before, after)
        assert content(after) == wanted
        assert differing(after) == []
        assert copied.rows["stock_balances"] == len(wanted["_stock_balances"])
        before = after


@pytest.mark.parametrize("dialect", DATABASES)
def test_what_is_written_to_the_source_after_the_first_row_was_read_is_not_in_the_copy(
    dialect: str, make_config: MakeConfig, new_url: Callable[[str], str]
) -> None:
    config = filled(make_config({"database.url": new_url(dialect)}))
    target, wanted = moved(config, new_url("sqlite")), content(config)
    mirror = Mirror(database.connect(config.database), config)
    late = itertools.count()

    def write_more(*_: object) -> None:
        details = {"ProductNumber": f"P{next(late)}", "Warehouse": "N", "Balance": 1}
        mirror.write(mirror.event("BalanceChanged", details, delivery=f"late{next(late)}"))

    copy(config, target, write_more)
    mirror.engine.dispose()
    assert next(late) > 10
    assert content(target) == wanted
    assert differing(target) == []


def test_a_worker_goes_on_from_a_copy_that_was_made_while_another_one_wrote(
    tmp_path: Path, kafka_bootstrap: str, postgres: Any
) -> None:
    with workers.world(tmp_path, kafka_bootstrap, f"sqlite:///{tmp_path}/mirror.db") as world:
        first = world.worker().wait_ready()
        world.send(balances(300))
        world.wait_caught_up()
        url = str(postgres.new_database())
        said = connector(world.config_dir, "copy", "--to", url, **world.environ)
        assert said.returncode == 0, said.stderr
        assert "holds what follows the copy" in said.stdout
        assert "1. stop every worker on the old mirror" in said.stdout
        world.send(balances(300))
        world.wait_caught_up()
        assert first.stop() == 0
        target = moved(world.config, url)
        world.environ["DATABASE_URL"] = url
        second = world.worker().wait_ready()
        workers.until(lambda: _held(target) == _held(world.config), what="the copy caught up")
        assert second.stop() == 0
        assert sans_clocks(content(target)) == sans_clocks(content(world.config))
        assert differing(target) == []


@pytest.mark.parametrize(
    ("dialect", "point"), [("sqlite", "exit-copied-table@3"), ("postgresql", "exit-before-copy-commit")]
)
def test_a_copy_that_was_killed_is_no_mirror_and_the_next_one_is_whole(
    dialect: str, point: str, make_config: MakeConfig, new_url: Callable[[str], str]
) -> None:
    config = filled(make_config({"database.url": new_url("sqlite")}, records=True))
    target = moved(config, new_url(dialect))
    urls = (one.database.url.get_secret_value() for one in (config, target))
    command = ["copy", *itertools.chain(*zip(("--database-url", "--to"), urls, strict=True))]
    killed = connector(ROOT / "config", *command, **{failpoints.VARIABLE: point})
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    for open_it in (differing, lambda one: schema.ensure(database.connect(one.database), one, Mapping(one))):
        with pytest.raises(StartupError, match="is not finished") as refused:
            open_it(target)
        assert "run connector copy again" in refused.value.cure
    copy(config, target)
    assert content(target) == content(config)
    assert differing(target) == []


def filled(config: Config) -> Config:
    """The configuration, with a small mirror in its database."""
    mirror = Mirror(database.connect(config.database), config)
    details = {"ProductNumber": "P", "Warehouse": "N", "Balance": 1.5}
    mirror.write(*(mirror.event("BalanceChanged", details, delivery=f"d{one}") for one in range(3)))
    letter(mirror, 0, b"\x00raw")
    mirror.engine.dispose()
    return config


def test_a_target_that_holds_a_mirror_is_refused_and_stays_as_it_is(
    make_config: MakeConfig, new_url: Callable[[str], str]
) -> None:
    config = filled(make_config({"database.url": new_url("sqlite")}))
    for one in (moved(config, new_url("postgresql")), moved(config, new_url("sqlite"))):
        copy(config, one)
        with pytest.raises(StartupError, match="holds a mirror already") as refused:
            copy(config, one)
        assert refused.value.what.startswith(database.shown(one.database))
        assert "--to" in refused.value.cure
        assert content(one) == content(config)


@pytest.mark.parametrize(
    ("to", "what"),
    [
        ("mysql://host/x", "--to names no database that the mirror can live in"),
        ("sqlite:////dev/full", "is no ordinary file"),
        ("postgresql://127.0.0.1:{port}/x", "Connection refused"),
        ("postgresql://nobody@{server}/x", "does not exist"),
    ],
)
def test_an_error_of_the_target_names_the_option_and_not_the_mirrors_settings(
    make_config: MakeConfig,
    new_url: Callable[[str], str],
    tmp_path: Path,
    postgres: Any,
    to: str,
    what: str,
) -> None:
    source = new_url("sqlite")
    filled(make_config({"database.url": source}, records=True))
    url = to.format(server=postgres.url.partition("@")[2].partition("/")[0], port=free_port())
    with pytest.raises(ConnectorError, match=what) as refused:
        cli.copy_command(to=url, config_dir=ROOT / "config", database_url=source, data_dir=tmp_path / "none")
    assert "--to" in str(refused.value)
    assert "DATABASE_URL" not in str(refused.value)


def test_an_error_of_the_source_names_the_mirrors_settings(
    make_config: MakeConfig, new_url: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that ends the source while the target is being filled."""
    config, target = filled(make_config({"database.url": new_url("sqlite")})), new_url("sqlite")

    def ends(*_: Any, **_named: Any) -> Any:
        raise DatabaseOutage("the source ends here")
        yield

    monkeypatch.setattr(copying.CopiedTable, "rows", ends)
    with pytest.raises(DatabaseOutage, match="the source ends here"):
        copy(config, moved(config, target))


def test_the_folder_of_a_target_that_is_refused_keeps_its_rights(
    make_config: MakeConfig, new_url: Callable[[str], str], tmp_path: Path
) -> None:
    config = filled(make_config({"database.url": new_url("sqlite")}))
    folder = tmp_path / "theirs"
    target = moved(config, f"sqlite:///{folder / 'mirror.db'}")
    copy(config, target)
    folder.chmod(0o755)
    with pytest.raises(StartupError, match="holds a mirror already"):
        commands.run(config, target)
    assert folder.stat().st_mode & 0o777 == 0o755


def test_a_source_of_another_tables_yaml_is_refused_before_the_target_is_touched(
    make_config: MakeConfig, new_url: Callable[[str], str]
) -> None:
    config = filled(make_config({"database.url": new_url("postgresql")}))
    column = {"rule": "latest", "type": "text", "path": "OrderType", "on": ("OrderCreated",)}
    changed = config.model_copy(deep=True)
    changed.tables["orders"].columns["another"] = type(changed.tables["orders"].columns["status"])(**column)
    target = moved(changed, new_url("sqlite"))
    with pytest.raises(StartupError, match=r"not as tables\.yaml says") as refused:
        copy(changed, target)
    assert "connector schema apply" in refused.value.cure
    assert not Path(str(database.file_of(target.database))).exists()


def test_a_value_that_the_target_cannot_hold_is_named_with_its_row(
    make_config: MakeConfig, new_url: Callable[[str], str]
) -> None:
    config = filled(make_config({"database.url": new_url("sqlite")}))
    with database.transaction(database.connect(config.database)) as connection:
        connection.exec_driver_sql("UPDATE _notifications SET hook = 'a' || char(0) WHERE event_id = 'd1:0'")
    target = moved(config, new_url("postgresql"))
    with pytest.raises(StartupError, match=r"A row of notifications .*'d1:0', '/webhooks/xtnd'"):
        copy(config, target)
    with pytest.raises(StartupError, match="is not finished"):
        differing(target)


def test_a_row_that_changed_on_its_way_undoes_the_copy_and_is_named(
    make_config: MakeConfig, new_url: Callable[[str], str]
) -> None:
    config = filled(make_config({"database.url": new_url("sqlite")}))
    target = moved(config, new_url("postgresql"))
    with psycopg.connect(target.database.url.get_secret_value().replace("+psycopg", "")) as connection:
        connection.execute(
            "CREATE FUNCTION spoil() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN "
            "UPDATE public_store._stock_balances SET balance = balance + 1; END $$"
        )
        connection.execute(  # which strikes when the rows are there
            "CREATE EVENT TRIGGER spoils ON ddl_command_end "
            "WHEN tag IN ('CREATE INDEX') EXECUTE FUNCTION spoil()"
        )
    with pytest.raises(
        StartupError, match=r"stock_balances \('P', 'N'\): balance is '[0-9]+[.]5' and should be '1.5'"
    ):
        copy(config, target)
    with pytest.raises(StartupError, match="is not finished"):
        differing(target)


def connector(config_dir: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    command = [*arguments, "--config", str(config_dir)]
    return processes.run(command, env={**os.environ, **variables}, timeout=300)


def _held(config: Config) -> offsets.StoredOffsets:
    engine = database.connect(config.database, access="read")
    try:
        return offsets.stored(engine)
    finally:
        engine.dispose()


def sans_clocks(tables: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Without the instants at which a row was written, and which two mirrors may not share."""
    clocks = {"mirrored_at", "last_mirrored_at", "updated_at"}
    return {
        table: [{name: value for name, value in row.items() if name not in clocks} for row in rows]
        for table, rows in tables.items()
        if table != "_mirror_layout"
    }


@given(JSON, JSON, st.booleans())
@example({"a": 1.0}, {"a": 1}, False)
@example([1e100], [10**100], False)
@example([0.1], ["0.1"], False)
def test_two_json_texts_count_as_the_same_exactly_where_jsonb_has_them_so(
    jsonb: psycopg.Connection[Any], one: Any, other: Any, indented: bool
) -> None:
    texts = [json.dumps(one), json.dumps(other, indent=2 if indented else None)]
    try:
        row = jsonb.execute("SELECT %s::jsonb = %s::jsonb, %s::jsonb::text", (*texts, texts[0])).fetchone()
    except psycopg.DataError:
        jsonb.rollback()
        return
    assert row is not None
    assert (meaning(texts[0]) == meaning(texts[1])) == row[0]
    assert meaning(row[1]) == meaning(texts[0])


@pytest.fixture(scope="module")
def jsonb(postgres: Any) -> Any:
    with psycopg.connect(postgres.url.replace("+psycopg", "")) as connection:
        yield connection


def test_what_others_have_on_the_source_is_listed_and_stays_there_as_archives_do(
    make_config: MakeConfig, new_url: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    config = filled(make_config({"database.url": new_url("postgresql")}))
    url = config.database.url.get_secret_value().replace("+psycopg", "")
    reader = f"reader_{uuid.uuid4().hex}"
    with psycopg.connect(url) as connection:
        connection.execute("CREATE SCHEMA theirs")
        connection.execute("CREATE VIEW theirs.stock AS SELECT * FROM public.stock_balances")
        connection.execute("CREATE MATERIALIZED VIEW more AS SELECT * FROM theirs.stock")
        connection.execute(f"CREATE ROLE {reader}")
        # One that is whole and took the place of another file, and one of a run that was interrupted.
        for row in ("1, 'm', '/far/one', 's', 1, 1, 0, now(), now(), '/far/zero'", ARCHIVE_OF_A_RUN):
            columns = "archive, month, file, sha256, size_bytes, events, unkeyed, made_at, read_at, former"
            connection.execute(f"INSERT INTO public_store._archives ({columns}) VALUES ({row})")
    readers.grant(database.connect(config.database), reader, timeout_seconds=5)
    target = moved(config, new_url("sqlite"))
    copied = copy(config, target)
    assert copied.views == ["public.more", "theirs.stock"]
    assert copied.readers == [reader]
    # The source's next run removes these files; were they the copy's, its own next run would.
    assert copied.unfinished == ["/far/two", "/far/zero"]
    assert [(row["file"], row["former"]) for row in content(target)["_archives"]] == [("/far/one", None)]
    commands._tell(copied, "sqlite:///there", 0)
    printed = capsys.readouterr().out
    assert "not copied: 1 archives stay in /far, and the copy reads them there" in printed
    assert "left behind: /far/zero, of a run" in printed
    with psycopg.connect(url) as connection:
        connection.execute(f"DROP OWNED BY {reader}")
        connection.execute(f"DROP ROLE {reader}")
