"""A changed mapping is tried on the newest events before it takes effect."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from sqlalchemy import create_engine

from connector import config
from connector.config import Config
from connector.errors import ConfigError, DatabaseOutage
from connector.events import Event, Sort
from connector.mirror import database, mapping_change, rules, schema, scratch, verify
from connector.mirror.mapping import Mapping
from connector.mirror.newest import newest_identities
from connector.mirror.trial import Trial
from tests import strategies
from tests.conftest import ROOT, SECRET, MakeConfig
from tests.strategies import MINUTE, NOON, Mirror

TABLES = """
tables:
  readings:
    actions: [ProductCreated, ProductChanged]
    key:
      product_number: {path: ProductNumber}
    columns:
      word: {rule: latest, type: text, path: Word}
"""
NUMBERS = TABLES.replace("word: {rule: latest, type: text", "word_number: {rule: latest, type: numeric")
Open = Callable[..., Mirror]
Configure = Callable[..., Config]


@pytest.fixture
def configure(database_url: str) -> Configure:
    texts = {name: (ROOT / "config" / name).read_text() for name in config.FILES}

    def make(tables: str, **rehearsal: Any) -> Config:
        overrides = {f"worker.rehearsal.{name}": value for name, value in rehearsal.items()}
        variables = {"XTND_WEBHOOK_SECRET": SECRET, "DATABASE_URL": database_url}
        return config.parse(texts | {"tables.yaml": tables}, variables, overrides)

    return make


@pytest.fixture
def open_mirror(configure: Configure) -> Iterator[Open]:
    """Opens the mirror with one tables.yaml after another, as a worker does."""
    with ExitStack() as stack:
        yield lambda tables=TABLES, **options: stack.enter_context(
            strategies.mirror(configure(tables, **options))
        )


def changed(mirror: Mirror, word: str, number: int, action: str = "ProductChanged") -> Event:
    details = {"ProductNumber": str(number), "Word": word}
    return mirror.event(action, details, delivery=f"d{number:06}", at=NOON + number * MINUTE)


def examine(mirror: Mirror, settings: Config) -> mapping_change.Fit:
    found = mapping_change.examine(mirror.engine, settings, Mapping(settings))
    assert found is not None
    return found


def test_a_mapping_that_no_longer_fits_is_refused_with_action_column_value_and_count(
    open_mirror: Open,
) -> None:
    mirror = open_mirror()
    mirror.write(*(changed(mirror, f"w\x1b[2J{n}" if n % 2 else str(n), n) for n in range(40)))
    before = (mirror.content(), mirror.rows("_mirror_rules"))
    with pytest.raises(ConfigError) as caught:
        open_mirror(NUMBERS)
    (finding,) = caught.value.findings
    assert finding.where == "tables.yaml"
    assert "20 of the 40 newest ProductChanged" in finding.what
    assert r"Details.Word (column word_number): 'w\x1b[2J39' cannot be read as a number" in finding.what
    assert "--accept-mapping" in finding.cure
    assert (mirror.content(), mirror.rows("_mirror_rules")) == before
    mirror.write(changed(mirror, "still", 100))  # a worker with the former mapping goes on


def test_a_column_that_loses_all_its_values_is_named_though_every_event_fits(
    open_mirror: Open, configure: Configure
) -> None:
    mirror = open_mirror()
    mirror.write(*(changed(mirror, "word", number) for number in range(4)))
    found = examine(mirror, configure(TABLES.replace("path: Word", "path: Wrod")))
    assert found.misfits == []
    assert found.emptied == [
        "readings.word gets no value of ProductChanged any more; 4 of the newest events gave it one"
    ]
    refused = examine(mirror, configure(TABLES.replace("type: text", "type: numeric")))
    assert refused.refused == {Sort("ProductChanged")}
    assert refused.emptied == []  # of which it is said already that no event fits


def test_a_rare_action_is_tried_however_many_newer_events_others_have(open_mirror: Open) -> None:
    mirror = open_mirror()
    mirror.write(changed(mirror, "no number", 0, "ProductCreated"))
    mirror.write(*(changed(mirror, str(n), n) for n in range(1, 400)))
    with pytest.raises(ConfigError, match="1 of the 1 newest ProductCreated"):
        open_mirror(NUMBERS, events_per_action=10)


def test_a_usual_few_that_no_longer_fit_do_not_stop_a_start(open_mirror: Open) -> None:
    mirror = open_mirror()
    mirror.write(*(changed(mirror, "odd" if n == 7 else str(n), n) for n in range(100)))
    started = open_mirror(NUMBERS)
    assert started.row("readings", product_number="8")["event_count"] == 1
    assert verify.differences(started.engine, started.mapping) == []
    assert {row["product_number"] for row in started.rows("readings") if row["word_number"] is None} == {"7"}


def test_an_accepted_mapping_starts_and_its_misfits_never_count_again(
    open_mirror: Open, configure: Configure
) -> None:
    mirror = open_mirror()
    mirror.write(*(changed(mirror, "odd", n) for n in range(30)))
    accepted = configure(NUMBERS)
    schema.ensure(mirror.engine, accepted, Mapping(accepted), accept_mapping=True)
    one_more = NUMBERS + "      other: {rule: latest, type: text, path: Other}\n"
    started = open_mirror(one_more)
    assert {row["word_number"] for row in started.rows("readings")} == {None}
    assert verify.differences(started.engine, started.mapping) == []
    # Taken back, all of them fit again.
    assert {row["word"] for row in open_mirror(TABLES).rows("readings")} == {"odd"}


def test_a_key_that_no_longer_fits_gives_no_row_and_a_required_column_decides_which_rows_there_are(
    open_mirror: Open, configure: Configure
) -> None:
    history = TABLES.replace("    key:\n      product_number: {path: ProductNumber}\n", "    kind: history\n")
    history = history.replace("rule: latest, ", "") + "    requires: [word]\n"
    mirror = open_mirror(history)
    mirror.write(*(changed(mirror, str(n), n) for n in range(40)), changed(mirror, " ", 40))
    assert len(mirror.rows("readings")) == 41
    elsewhere = open_mirror(history.replace("path: Word", "path: Elsewhere"))
    assert elsewhere.rows("readings") == []
    assert verify.differences(elsewhere.engine, elsewhere.mapping) == []
    keyed = open_mirror(TABLES.replace("path: ProductNumber", "path: Word").replace("readings", "words"))
    assert len(keyed.rows("words")) == 40
    assert verify.differences(keyed.engine, keyed.mapping) == []


def test_a_better_copy_of_an_event_that_no_longer_fits_takes_its_place(
    open_mirror: Open, configure: Configure
) -> None:
    mirror = open_mirror()
    details = {"ProductNumber": "1", "Word": "odd"}
    mirror.write(mirror.event("ProductChanged", details, attempt=2, at=NOON))
    accepted = configure(NUMBERS)
    schema.ensure(mirror.engine, accepted, Mapping(accepted), accept_mapping=True)
    started = open_mirror(NUMBERS)
    started.write(started.event("ProductChanged", details | {"Word": "7"}, attempt=1, at=NOON))
    assert started.row("readings")["word_number"] == 7
    assert verify.differences(started.engine, started.mapping) == []


def test_a_mapping_that_did_not_change_is_not_tried(open_mirror: Open, configure: Configure) -> None:
    mirror = open_mirror()
    mirror.write(changed(mirror, "a", 1))
    settings = configure(TABLES)
    assert mapping_change.examine(mirror.engine, settings, Mapping(settings)) is None


def test_a_store_that_does_not_hold_its_mapping_as_written_is_tried_too(open_mirror: Open) -> None:
    mirror = open_mirror()
    mirror.write(*(changed(mirror, "odd", n) for n in range(3)))
    with database.transaction(mirror.engine) as connection:
        connection.exec_driver_sql(f"DELETE FROM _mirror_rules WHERE table_name = '{rules.MAPPING[0]}'")
    with pytest.raises(ConfigError, match="3 of the 3 newest ProductChanged"):
        open_mirror(NUMBERS)


def test_an_index_that_the_newest_texts_are_too_long_for_is_refused(
    open_mirror: Open, configure: Configure
) -> None:
    mirror = open_mirror()
    mirror.write(*(changed(mirror, "w" * (3000 if n % 2 else 3), n) for n in range(8)))
    found = examine(mirror, configure(TABLES + "    indexes: [[word]]\n"))
    (misfit,) = found.misfits
    assert (misfit.count, misfit.tried, found.refused) == (4, 8, {Sort("ProductChanged")})
    assert "Details.Word (column word): 'wwwww" in str(misfit)


def test_what_only_the_database_refuses_is_found_among_what_it_takes(open_mirror: Open) -> None:
    mirror = open_mirror()
    events = [changed(mirror, f"w{n % 30}", n) for n in range(40)]
    with scratch.empty_copies(mirror.engine, mirror.mapping) as copies:
        assert copies is not None
        copies.exec_driver_sql("CREATE UNIQUE INDEX once ON _readings (word)")
        trial = Trial(copies, mirror.mapping, time.monotonic() + 60)
        trial.run(events)
        assert {identity[0] for identity in trial.refused} == {f"d{n:06}:0" for n in range(30, 40)}
        assert {poison.reason for _, poison in trial.refused.values()} == {"database-refused"}
        assert trial.tried == {Sort("ProductChanged"): 40}
    assert mirror.rows("readings") == []


def test_a_trial_of_a_mapping_waits_for_no_lock_on_a_table(open_mirror: Open, configure: Configure) -> None:
    mirror = open_mirror()
    mirror.write(changed(mirror, "odd", 1))
    holder, statement = create_engine(database.url_of(mirror.config.database)), "SELECT * FROM readings"
    if mirror.engine.dialect.name == "postgresql":
        statement = "LOCK TABLE public_store._readings, public_store._consumer_offsets"
    try:
        with holder.begin() as connection:
            connection.exec_driver_sql(statement)
            assert examine(mirror, configure(NUMBERS)).misfits[0].count == 1
    finally:
        holder.dispose()


def test_an_action_that_no_family_claims_any_more_is_named_and_no_misfit(
    open_mirror: Open, configure: Configure
) -> None:
    mirror = open_mirror()
    mirror.write(changed(mirror, "a", 1))
    fewer = TABLES.replace(", ProductChanged]", "]")
    settings = configure(fewer)
    families = dict(settings.topics.families)
    products = families["products"]
    rest = {name: route for name, route in products.actions.items() if name != "ProductChanged"}
    families["products"] = products.model_copy(update={"actions": rest})
    topics = settings.topics.model_copy(update={"families": families})
    found = examine(mirror, settings.model_copy(update={"topics": topics}))
    assert (found.misfits, found.unrouted) == ([], ["ProductChanged"])


def test_looking_back_through_the_ledger_ends_in_time(open_mirror: Open) -> None:
    mirror = open_mirror()
    mirror.write(*(changed(mirror, "a", n) for n in range(3000)))
    with pytest.raises(DatabaseOutage), database.transaction(mirror.engine) as connection:
        newest_identities(connection, {Sort("ProductChanged"): 10}, None, None, time.monotonic())
    with database.transaction(mirror.engine) as connection:
        found = newest_identities(connection, {Sort("ProductChanged"): 10}, None, None, time.monotonic() + 30)
    assert [identity[0] for _, identity in found] == [f"d{n:06}:0" for n in range(2999, 2989, -1)]


def test_without_the_right_to_make_temporary_tables_the_mapping_alone_is_tried(
    postgres: Any, make_config: MakeConfig
) -> None:
    url = postgres.new_database()
    owner = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with owner.begin() as connection:
        name = connection.exec_driver_sql("SELECT current_database()").scalar_one()
        connection.exec_driver_sql(f'REVOKE TEMP ON DATABASE "{name}" FROM PUBLIC')
        connection.exec_driver_sql("CREATE ROLE no_temporary")
    theirs = create_engine(owner.url, connect_args={"options": "-c role=no_temporary"})
    with scratch.empty_copies(theirs, Mapping(make_config())) as copies:
        assert copies is None
    theirs.dispose()
    with owner.begin() as connection:
        connection.exec_driver_sql("DROP ROLE no_temporary")
    owner.dispose()
