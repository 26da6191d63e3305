"""Whatever tables.yaml becomes, the plan says what a start then does, on both databases."""

from contextlib import ExitStack
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from connector.config import Config
from connector.errors import ConfigError, StartupError
from connector.mirror import database, plan, schema
from connector.mirror.mapping import Mapping
from tests import configurations, strategies
from tests.integration.test_any_configuration import Emptied, emptied, events, refusal, sqlite, write

__all__ = ["emptied"]


def applied(engine: Engine, config: Config) -> dict[str, list[str] | None] | None:
    """What a start fills; None where it is refused."""
    try:
        return schema.ensure(engine, config, Mapping(config)).columns
    except (StartupError, ConfigError):
        return None


def compare(url: str, first: dict[str, Any], second: dict[str, Any], said: Any) -> None:
    configs = [refusal(drawn, url) for drawn in (first, second)]
    for number, config in enumerate(configs):
        if not isinstance(config, Config):
            return
        planned = plan.of(config, Mapping(config))
        engine = database.connect(config.database)
        filled = applied(engine, config)
        engine.dispose()
        assert planned.is_refused == (filled is None), planned
        if filled is None:
            return
        fills = {one.name for one in planned.changes if one.change == "fill"}
        assert fills == filled.keys(), planned
        assert plan.of(config, Mapping(config)).is_empty
        if number == 0:
            with strategies.mirror(config) as mirror:
                write(mirror, said, 0)


@settings(max_examples=4)
@given(st.data(), configurations.configurations(), events)
def test_a_plan_says_what_a_start_then_fills_or_refuses_and_is_empty_after_it(
    emptied: Emptied, data: st.DataObject, first: dict[str, Any], said: Any
) -> None:
    second = data.draw(configurations.changes(first))
    with ExitStack() as stack:
        for url in (stack.enter_context(sqlite()), emptied.empty()):
            compare(url, first, second, said)
