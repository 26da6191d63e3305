"""PostgreSQL as a DBA has set it up: other settings change nothing, what cannot work is refused by name."""

import asyncio
import os
import shutil
import subprocess
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from connector.config import DatabaseSettings
from connector.errors import DatabaseDamaged, DatabaseOutage, StartupError
from connector.events import DeadLetter
from connector.local.ports import free_port
from connector.local.stopping import wait_until
from connector.mirror import database, schema, verify
from connector.mirror.dialects import postgresql_session
from connector.mirror.mapping import Mapping
from connector.retry import Outages
from connector.stream.alarm import Alarm
from connector.stream.parking import Parking
from connector.stream.processor import BatchProcessor, PreparedBatch
from tests import strategies
from tests.conftest import MakeConfig
from tests.strategies import NOON, Mirror

DEADLINE_SECONDS = 30
# Each of them, or the whole of them, has changed what somebody's mirror says or whether it starts.
SETTINGS = {
    "datestyle": "'German, DMY'",
    "timezone": "'Asia/Kathmandu'",
    "search_path": "nowhere",
    "statement_timeout": "'1ms'",
    "lock_timeout": "'1ms'",
    "idle_in_transaction_session_timeout": "'1ms'",
    "transaction_timeout": "'10s'",  # of the first statement, which takes it away, too
    "default_transaction_read_only": "on",
    "default_transaction_isolation": "'serializable'",
    "default_transaction_deferrable": "on",
    "bytea_output": "'escape'",
    "intervalstyle": "'sql_standard'",
    "extra_float_digits": "'-15'",
    "standard_conforming_strings": "off",
    "array_nulls": "off",
    "quote_all_identifiers": "on",
    "row_security": "off",
    "client_encoding": "'LATIN1'",
}


def run(url: str, *statements: str) -> None:
    """Run statements as the server's own user, outside of the connector."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def fill(mirror: Mirror) -> None:
    """Two deliveries of one order and one purchase, one with quotes, backslashes and fractions."""
    row = {"Position": 1, "SubPosition": 0, "ProductNumber": "Ä\\'x", "Unit": {"Quantity": "1.500001"}}
    order = {"OrderNumber": "9", "Warehouse": "N", "Row": row}
    mirror.write(
        mirror.event("OrderCreated", {"OrderNumber": "a\\b'c"}, delivery="a"),
        mirror.event("OrderPicked", {"OrderNumber": "a\\b'c"}, delivery="b", at=NOON + 1),
        mirror.event("PickingStarted", {"Order": order}, delivery="c"),
    )


def settings(mirror: Mirror) -> list[dict[str, Any]]:
    """What a session of the mirror has of the settings above."""
    names = ", ".join(f"'{name}'" for name in SETTINGS)
    return strategies.select(
        mirror.engine, f"SELECT name, setting FROM pg_settings WHERE name IN ({names}) ORDER BY name"
    )


@pytest.mark.parametrize("place", ["role", "database"])
def test_settings_of_a_dba_change_nothing(make_config: MakeConfig, postgres: Any, place: str) -> None:
    plain = postgres.new_database()
    with strategies.mirror(make_config({"database.url": plain})) as mirror:
        fill(mirror)
        expected = mirror.content(), settings(mirror)
    url = postgres.new_database()
    name = url.rpartition("/")[2]
    run(url, f"CREATE ROLE {name} LOGIN SUPERUSER")
    target = f"ROLE {name}" if place == "role" else f"DATABASE {name}"
    run(url, *(f"ALTER {target} SET {setting} = {value}" for setting, value in SETTINGS.items()))
    config = make_config({"database.url": url.replace("postgres@", f"{name}@")})
    with strategies.mirror(config) as mirror:
        fill(mirror)
        assert (mirror.content(), settings(mirror)) == expected
    reading = database.connect(config.database, access="read")
    assert schema.state(reading, Mapping(config)) is None
    assert verify.differences(reading, Mapping(config)) == []
    reading.dispose()


def test_the_options_of_the_url_are_taken_beside_the_connectors_own(
    make_config: MakeConfig, postgres: Any
) -> None:
    url = postgres.new_database()
    run(url, "CREATE SCHEMA mirror")
    options = (
        "options=-csearch_path%3Dmirror%20-cwork_mem%3D12MB%20-ctimezone%3DAsia/Tokyo&application_name=mine"
    )
    config = make_config({"database.url": f"{url}?{options}"})
    with strategies.mirror(config) as mirror:
        fill(mirror)
        found = strategies.select(
            mirror.engine,
            "SELECT schemaname, current_setting('work_mem') AS memory, current_setting('timezone') AS zone, "
            "current_setting('application_name') AS name, current_setting('lock_timeout') AS lock_timeout "
            "FROM pg_views WHERE viewname = 'orders'",
        )
        tables = "SELECT schemaname FROM pg_tables WHERE tablename = '_orders'"
        assert strategies.select(mirror.engine, tables) == [{"schemaname": "mirror_store"}]
    expected = {
        "schemaname": "mirror",
        "memory": "12MB",
        "zone": "UTC",
        "name": "mine",
        "lock_timeout": "20s",
    }
    assert found == [expected]


def test_a_schema_that_is_not_there_is_named_and_not_waited_for(
    make_config: MakeConfig, postgres: Any
) -> None:
    url = f"{postgres.new_database()}?options=-csearch_path%3Dmissing"
    with (
        pytest.raises(StartupError, match=r"missing(.|\n)*CREATE SCHEMA"),
        strategies.mirror(make_config({"database.url": url})),
    ):
        pass


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1", "EUC_JP"])
def test_a_database_of_another_encoding_is_refused_with_the_fix(
    make_config: MakeConfig, postgres: Any, encoding: str
) -> None:
    name = f"encoded_{encoding.lower()}"
    run(
        postgres.url,
        f"CREATE DATABASE {name} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0",
    )
    config = make_config({"database.url": postgres.url.removesuffix("postgres") + name})
    for access in ("create", "write", "read"):
        engine = database.connect(config.database, access=access)
        with pytest.raises(StartupError, match="--encoding=UTF8 --template=template0") as caught:
            database.clock_distance(engine)
        assert encoding in str(caught.value)


def test_a_session_that_lacks_the_connectors_settings_is_refused_by_the_name_of_what_takes_them(
    postgres: Any,
) -> None:
    # As it comes through PgBouncer with ignore_startup_parameters = options.
    with pytest.raises(StartupError, match="PgBouncer"):
        postgresql_session.connect(postgresql_session.parameters_of(postgres.url))


@pytest.mark.skipif(not shutil.which("pgbouncer"), reason="needs PgBouncer (apt install pgbouncer)")
@pytest.mark.parametrize("ignored", ["", "options"])
def test_pgbouncer_in_transaction_mode_is_refused_by_name(postgres: Any, ignored: str) -> None:
    port = free_port()
    settings = f"""
        [databases]
        * = host=127.0.0.1 port={postgres.port}
        [pgbouncer]
        listen_addr = 127.0.0.1
        listen_port = {port}
        unix_socket_dir =
        auth_type = any
        pool_mode = transaction
        ignore_startup_parameters = {ignored}
    """
    file = postgres.folder / f"pgbouncer{ignored}.ini"
    file.write_text(textwrap.dedent(settings).replace("* = ", "postgres = user=postgres "))
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    process = subprocess.Popen(["pgbouncer", "-q", *user, file], stderr=subprocess.DEVNULL)
    engine = database.connect(
        DatabaseSettings.model_validate({"url": f"postgresql://postgres@127.0.0.1:{port}/postgres"})
    )

    def refusal() -> str:
        try:
            database.clock_distance(engine)
        except (DatabaseOutage, StartupError) as error:  # an outage while it starts
            return str(error)
        return "none"

    try:
        assert wait_until(lambda: "PgBouncer" in refusal(), timeout_seconds=DEADLINE_SECONDS), refusal()
    finally:
        process.terminate()
        process.wait(10)


def test_files_that_postgresql_finds_damaged_stop_the_process_with_the_way_back(postgres: Any) -> None:
    engine = database.connect(DatabaseSettings.model_validate({"url": postgres.url}))
    statement = "DO $$ BEGIN RAISE EXCEPTION 'invalid page in block 3' USING ERRCODE = 'XX001'; END $$"
    with (
        pytest.raises(DatabaseDamaged, match=r"invalid page(.|\n)*backup"),
        database.transaction(engine) as writing,
    ):
        writing.exec_driver_sql(statement)


# --- A batch that takes too long -----------------------------------------------------------------


@pytest.fixture
def slow(make_config: MakeConfig, postgres: Any) -> Iterator[Mirror]:
    """A mirror whose ledger takes 20 ms a row and whose sessions end a statement after 150 ms."""
    url = postgres.new_database()
    with strategies.mirror(make_config({"database.url": url})):
        body = "BEGIN PERFORM pg_sleep(0.02); RETURN NEW; END"
        function = f"CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$"
        before = "BEFORE INSERT ON public_store._notifications FOR EACH ROW"
        trigger = f"CREATE TRIGGER slow {before} EXECUTE FUNCTION slow()"
        run(url, function, trigger)
    limited = make_config({"database.url": f"{url}?options=-cstatement_timeout%3D150ms"})
    with strategies.mirror(limited) as mirror:
        yield mirror


def test_a_batch_that_times_out_is_split_until_it_passes(slow: Mirror) -> None:
    said = [slow.event("OrderPicked", {"OrderNumber": str(n)}, delivery=f"d{n}") for n in range(40)]

    async def carry() -> None:
        with ThreadPoolExecutor(1) as executor:
            outages, alarm = Outages(), Alarm()
            parking = Parking(never, outages, alarm)
            delivery = BatchProcessor(
                slow.sink, executor, parking, lambda: NOON, outages=outages, alarm=alarm
            )
            chunks = [slow.chunk(said)]
            async with asyncio.timeout(DEADLINE_SECONDS):
                assert await delivery.write([PreparedBatch(chunks, slow.sink.prepare(chunks))]) == {}

    asyncio.run(carry())
    assert verify.count(slow.engine) == len(said)
    assert [row["next_offset"] for row in slow.rows("consumer_offsets")] == [len(said)]


async def never(letter: DeadLetter) -> None:
    raise AssertionError(letter)
