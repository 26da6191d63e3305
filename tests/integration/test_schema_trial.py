"""``connector check`` runs the schema's statements for real; nothing of it stays or stands in the way."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

from connector.commands import checkup
from connector.config import Config
from connector.errors import StartupError
from connector.mirror import database, schema, schema_trial
from connector.mirror.dialects import postgresql, postgresql_trial
from connector.mirror.mapping import Mapping
from tests import strategies
from tests.integration.test_schema import BASE, MORE, Place
from tests.integration.test_steps import load
from tests.strategies import Mirror

VIEWED = """
tables:
  words:
    kind: history
    actions: [ProductChanged]
    columns:
      word: {type: text, path: Word}
      q: {type: numeric, path: Value}
      at: {event: occurred_at}
views:
  moves: {movements_of: words, value: q, per: [word]}
"""


@pytest.fixture
def place(database_url: str) -> Iterator[Place]:
    with ExitStack() as stack:
        yield Place(database_url, stack)


def tried(config: Config) -> str | None:
    return schema_trial.run(config, Mapping(config))


def everything(mirror: Mirror) -> Any:
    """What stands in the database, schemas included."""
    query = "SELECT type, name, sql FROM sqlite_master ORDER BY 1, 2"
    if mirror.engine.dialect.name == "postgresql":
        query = "SELECT relnamespace::regnamespace::text, relname, relkind FROM pg_class ORDER BY 1, 2"
    return strategies.select(mirror.engine, query), strategies.select(
        mirror.engine, "SELECT * FROM _mirror_rules"
    )


def server(url: str, **options: Any) -> "psycopg.Connection[Any]":
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(plain, autocommit=True, **options)


def test_what_a_start_would_do_is_tried_and_nothing_of_it_stays(place: Place) -> None:
    mirror = place.open(VIEWED)
    with database.transaction(mirror.engine) as connection:
        connection.exec_driver_sql("CREATE VIEW theirs AS SELECT word FROM moves")
    before = everything(mirror)
    assert tried(place.config(VIEWED.replace("at:", "more: {type: text, path: More}\n      at:"))) is None
    other = BASE + VIEWED.replace("\ntables:\n", "").replace("moves:", "moved:")
    assert tried(place.config(other)) is None
    assert everything(mirror) == before


def test_a_change_that_a_start_would_refuse_is_refused_with_file_line_and_fix(place: Place) -> None:
    mirror = place.open(BASE)
    before = everything(mirror)
    for changed in (
        BASE.replace("type: numeric", "type: text"),
        BASE.replace("product_number: {", "number: {"),
    ):
        with pytest.raises(StartupError, match=r"(?s)^tables\.yaml:\d+: .*drop the table") as refused:
            tried(place.config(changed))
        store = "public_store." if mirror.engine.dialect.name == "postgresql" else ""
        assert f'DROP TABLE {store}"_readings"' in refused.value.cure
    with database.transaction(mirror.engine) as connection:
        connection.exec_driver_sql("CREATE VIEW others AS SELECT 1 AS one")
    with pytest.raises(StartupError, match=r"tables\.yaml:3: .*not the connector's: others"):
        tried(place.config(BASE.replace("readings", "others")))
    with database.transaction(mirror.engine) as connection:
        connection.exec_driver_sql("DROP VIEW others")
    assert everything(mirror) == before


def test_an_empty_database_and_one_of_connector_0_1_are_tried_too(place: Place) -> None:
    assert tried(place.config(None)) is None
    load(place.url)
    assert tried(place.config(None)) is None
    assert tried(place.config(VIEWED)) is None
    engine = database.connect(place.config().database)
    with database.transaction(engine) as connection:
        assert connection.exec_driver_sql("SELECT COUNT(*) FROM mirror_columns").scalar_one() > 0
    engine.dispose()


def test_a_database_file_that_is_not_there_is_not_made_by_a_trial(tmp_path: Path) -> None:
    with ExitStack() as stack:
        assert tried(Place(f"sqlite:///{tmp_path / 'new' / 'mirror.db'}", stack).config()) is None
    assert list(tmp_path.iterdir()) == []


def test_a_trial_waits_for_no_batch_and_nobody_waits_for_it(
    postgres: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres.new_database()
    with ExitStack() as stack:
        place = Place(url, stack)
        place.open(BASE)
        of_store = ", ".join(
            f"public_store._{name}" for name in ("readings", "mirror_rules", "notifications")
        )
        apply, alone = (
            schema.apply,
            f"LOCK TABLE {of_store} IN ACCESS EXCLUSIVE MODE NOWAIT",
        )

        def apply_beside_a_change(engine: Any, *arguments: Any) -> Any:
            applied = apply(engine, *arguments)
            with server(url) as other, other.transaction():
                other.execute(alone)
                assert other.execute(
                    "SELECT pg_try_advisory_xact_lock(%s)", (postgresql.SCHEMA_LOCK,)
                ).fetchone() == (True,)
            return applied

        with monkeypatch.context() as patched:
            patched.setattr(schema, "apply", apply_beside_a_change)
            assert tried(place.config(BASE + MORE)) is None
        with server(url) as other, other.transaction():
            # A batch holds the schema as it is, and rows.
            other.execute("SELECT pg_advisory_xact_lock_shared(%s)", (postgresql.SCHEMA_LOCK,))
            other.execute("INSERT INTO public_store._consumer_offsets VALUES ('t', 0, 1, 0, now(), NULL)")
            assert tried(place.config(BASE + MORE)) is None
            other.execute(alone)
            assert tried(place.config(BASE + MORE)) == postgresql_trial.WHY_NOT["55P03"]


def test_a_role_that_may_not_make_a_schema_is_named_with_the_grant(postgres: Any) -> None:
    url = postgres.new_database()
    name = make_url(url).database
    with server(url) as admin, ExitStack() as stack:
        admin.execute(f"CREATE ROLE plain_{name} LOGIN")
        admin.execute(f"GRANT ALL ON SCHEMA public TO plain_{name}")
        admin.execute(f"CREATE SCHEMA public_store AUTHORIZATION plain_{name}")
        place = Place(make_url(url).set(username=f"plain_{name}").render_as_string(), stack)
        place.open(BASE)
        why = tried(place.config(BASE + MORE))
        assert why is not None
        assert f'GRANT CREATE ON DATABASE "{name}" TO "plain_{name}"' in why
        (result,) = checkup.Checkup(place.config(BASE)).schema_trial(Mapping(place.config(BASE)))
        assert "were not tried" in result.what
        assert result.fault is None
