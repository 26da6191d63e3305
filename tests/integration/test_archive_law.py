"""The one law with archives: steps of ``connector archive`` anywhere in the order change nothing."""

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector import config, failpoints
from connector.events import Event
from connector.events.values import exact_json
from connector.mirror import archiving, bodies, database, erasure, rebuilder
from connector.mirror.archives import Archives
from connector.mirror.entities import Entity
from tests import strategies
from tests.conftest import SECRET, shipped
from tests.integration.test_archive import archive, differences, events_of, tables_of
from tests.integration.test_mirror_law import looks
from tests.sources import with_sources
from tests.strategies import Mirror, few

# One table of each kind and of each way in which events meet in a row; more of them show nothing else.
RECORDS = tuple(name.removeprefix("tables.") for name in strategies.RECORD_TABLES)
TABLES = ("orders", "order_picking_rows", "stock_balances", "stock_balance_history", *RECORDS)
Step = tuple[str, str]
ARCHIVE = ("archive", "")
# Other copies come while what is in the file is emptied in part, or not at all.
ARCHIVING = few(
    [ARCHIVE, *(("interrupted", point) for point in ("archive-put", "archive-read", "archive-step"))]
)
FORGET = ("forget", "1")
# After each part of what arrives.
STEPS: st.SearchStrategy[list[list[Step]]] = st.tuples(
    ARCHIVING.map(lambda one: [one]),
    few([[ARCHIVE], [ARCHIVE], [FORGET], [FORGET, ARCHIVE], [ARCHIVE, FORGET]]),
    few([[], [ARCHIVE], [FORGET]]),
).map(list)


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    yield from made(f"sqlite:///{tmp_path_factory.mktemp('law') / 'mirror.db'}")


@pytest.fixture(scope="module")
def postgresql(postgres: Any) -> Iterator[Mirror]:
    yield from made(postgres.new_database())


def made(url: str) -> Iterator[Mirror]:
    variables = {"XTND_WEBHOOK_SECRET": SECRET, "DATABASE_URL": url}
    settings = with_sources(config.parse(shipped(), variables, strategies.RECORD_TABLES))
    tables = {name: settings.tables[name] for name in TABLES}
    with strategies.mirror(settings.model_copy(update={"tables": tables, "views": {}})) as found:
        yield found


tables_once = functools.cache(rebuilder.Tables)


def run(mirror: Mirror, parts: Sequence[list[Event]], steps: Sequence[list[Step]], folder: Path) -> Any:
    """The tables and events after these parts, each with its steps."""
    mirror.empty()
    for part, after in zip(parts, steps, strict=True):
        if part:
            mirror.write(*part)
        for step, of in after:
            if step == "forget":
                erasure.erase(mirror.engine, mirror.mapping, Entity("", "orders", of), dry_run=False)
            elif step == "archive":
                archive(mirror, folder)
            else:
                interrupted(mirror, folder, of)
    # PostgreSQL gives what is stored there white space of its own.
    events = [
        (msgspec.structs.replace(one, details=b""), exact_json.decode(one.details))
        for one in events_of(mirror)
    ]
    return tables_of(mirror), events


def interrupted(mirror: Mirror, folder: Path, point: str) -> None:
    failpoints.load({failpoints.VARIABLE: f"raise-{point}@1"})
    try:
        archive(mirror, folder)
    except failpoints.Struck:
        pass
    finally:
        failpoints.load({})


def archived(mirror: Mirror) -> list[Event]:
    """Every event of every file, whether it counts or not."""
    with database.transaction(mirror.engine) as connection:
        found = []
        for one in Archives(connection).readable().values():
            with one.reading() as reader:
                found += [row.event() for rows in reader.rows() for row in rows]
        assert not bodies.any_unused(connection)
        return found


def holds(mirror: Mirror, folder: Path, parts: list[list[Event]], steps: list[list[Step]]) -> None:
    forgets = [[one for one in after if one == FORGET] for after in steps]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archiving, "STEP", 2)
        # What a process looks at once, for its own tables.
        patch.setattr(rebuilder, "Tables", tables_once)
        patch.setattr(rebuilder.Rebuilder, "require", lambda _: None)
        expected = run(mirror, parts, forgets, folder)
        assert run(mirror, parts, steps, folder) == expected
    assert differences(mirror) == []
    gone = {Entity("", "orders", key) for after in forgets for _, key in after}
    for event in archived(mirror):
        assert mirror.mapping.entities.without(event, gone.__contains__) is event


@looks(15)
@given(data=st.data(), steps=STEPS)
def test_an_archive_step_anywhere_changes_nothing(
    sqlite: Mirror, tmp_path_factory: pytest.TempPathFactory, data: Any, steps: list[list[Step]]
) -> None:
    parts = data.draw(strategies.differing_copies(sqlite, len(steps)))
    holds(sqlite, tmp_path_factory.mktemp("archives"), parts, steps)


@looks(5)
@given(data=st.data(), steps=STEPS)
def test_on_postgresql_it_changes_nothing_either(
    postgresql: Mirror, tmp_path_factory: pytest.TempPathFactory, data: Any, steps: list[list[Step]]
) -> None:
    parts = data.draw(strategies.differing_copies(postgresql, len(steps)))
    holds(postgresql, tmp_path_factory.mktemp("archives"), parts, steps)
