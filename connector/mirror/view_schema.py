"""Views in the database: made, replaced in place, dropped.

Grants on a view, and what readers built on it, stay. On PostgreSQL ``CREATE OR REPLACE VIEW`` replaces a
view, with new columns last. Where that is not possible, the view is dropped and made again with its grants,
unless something depends on it. A view that did not change is left alone, so that no reader is waited for.
"""

import hashlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import structlog
from sqlalchemy import Connection, inspect
from sqlalchemy.exc import DBAPIError

from connector.config import Config
from connector.errors import StartupError
from connector.mirror import dialects, rules, shown, views
from connector.mirror.dialects.base_catalogue import Catalogue, Relation
from connector.mirror.dialects.dialect import literal, quoted
from connector.mirror.mapped import logical
from connector.mirror.mapping import Mapping
from connector.mirror.rules import TAKEN
from connector.mirror.shown import ViewDefinition
from connector.mirror.tables import Tables

log = structlog.get_logger(__name__)


def ensure(
    connection: Connection, config: Config, mapping: Mapping, tables: Tables, *, shows_removed: bool = True
) -> None:
    """Make the views that are new, changed, or not as they were made.

    ``shows_removed``: with the columns that only the database still has.
    Raises ``StartupError`` where a view would lose a column that others built on.
    """
    catalogue = dialects.catalogue(connection)
    made, expected, found, frozen = _stands(connection, config, mapping, tables, shows_removed=shows_removed)
    new = {name: made[name] for name in made.keys() & frozen}
    for name in made.keys() - expected.keys() - frozen:
        if made[name] != TAKEN and not _drop(catalogue, name, made):
            new[name] = made[name]
    for name, view in expected.items():
        here = found.get(name)
        if not _is_ours(here, name, made):
            new[name] = TAKEN
            log.error("a view was not made, because its name is taken", **_fix(name))
            continue
        if here is None or made.get(name) != _rule(view, here) or _lacks_columns(connection, config, view):
            with _own_select(config, name):
                catalogue.make_view(name, view.select, replace=here is not None)
            _refuse_unknown(connection, config, name)
            _comment(catalogue, view, made.get(name, ""))
            here = catalogue.relations([name])[name]
        new[name] = _rule(view, here)
    if new != made:
        rules.record_views(connection, new)


def _refuse_unknown(connection: Connection, config: Config, name: str) -> None:
    """Refuse a description of a column that the view has not."""
    described = config.views[name].columns if name in config.views else {}
    if not described:
        return
    catalogue = dialects.catalogue(connection)
    columns = catalogue.columns(f"SELECT * FROM {catalogue.schema}{quoted(name)}")
    known = set(columns) if dialects.of(connection).keeps_case else {column.lower() for column in columns}
    for column in described.keys() - known:
        where = config.where("views", name, "columns", column)
        fix = f"describe one of its columns: {', '.join(columns)}"
        raise StartupError(f"{where}: the view {name} has no column {column}.", fix)


def changes(
    connection: Connection, config: Config, mapping: Mapping, tables: Tables
) -> Iterator[tuple[str, str]]:
    """What ``ensure`` would do, as (add, change, drop, not made or not dropped; view); changes nothing."""
    made, expected, found, frozen = _stands(connection, config, mapping, tables)
    for name in sorted(made.keys() - expected.keys() - frozen):
        if made[name] != TAKEN and name in found:
            yield "not dropped" if dialects.catalogue(connection).is_used(name, made) else "drop", name
    for name, view in expected.items():
        here = found.get(name)
        if here is None:
            yield "add", name
        elif not _is_ours(here, name, made):
            yield "not made", name
        elif made.get(name) != _rule(view, here) or _lacks_columns(connection, config, view):
            yield "change", name


class _Standing(NamedTuple):
    """Views as they were made (their rules), as they should be, and as they are; frozen ones by name."""

    made: dict[str, str]
    expected: dict[str, ViewDefinition]
    found: dict[str, Relation]
    frozen: set[str]


def _stands(
    connection: Connection, config: Config, mapping: Mapping, tables: Tables, *, shows_removed: bool = True
) -> _Standing:
    dialect, recorded = dialects.of(connection), rules.recorded(connection)
    made = rules.views(recorded)
    removed = shown.removed_columns(connection, tables) if shows_removed else {}
    of_tables = shown.of_tables(tables, dialect, removed)
    expected = {view.name: view for view in (*of_tables, *views.statements(config, mapping, dialect))}
    found = dialects.catalogue(connection).relations(made.keys() | expected.keys())
    # A table that tables.yaml no longer has keeps what it holds, for its readers.
    existing = {logical(table) for table in inspect(connection).get_table_names()}
    frozen = {name for name, _ in recorded if name in found} & existing - expected.keys()
    return _Standing(made, expected, found, frozen)


def _is_ours(here: Relation | None, name: str, made: dict[str, str]) -> bool:
    # Made by hand from the text of ``connector schema``, there is no record of any.
    return here is None or (here.is_view and (not made or made.get(name, TAKEN) != TAKEN))


def _rule(view: ViewDefinition, here: Relation) -> str:
    return f"{_digest(view.select)} {_noted(view)} {_digest(here.definition)}"


def _lacks_columns(connection: Connection, config: Config, view: ViewDefinition) -> bool:
    """Whether a select of the user's own gives columns by now that its view has not.

    PostgreSQL keeps the columns that ``*`` stood for when the view was made.
    """
    if view.name not in config.views or config.views[view.name].select is None:
        return False
    catalogue = dialects.catalogue(connection)
    with suppress(DBAPIError), connection.begin_nested():  # the view may work where the text no longer does
        shown_now = catalogue.columns(f"SELECT * FROM {catalogue.schema}{quoted(view.name)}")
        return bool({*catalogue.columns(view.select)} - {*shown_now})
    return False


@contextmanager
def _own_select(config: Config, name: str) -> Iterator[None]:
    """Name the line of a user's select that the database refuses."""
    try:
        yield
    except DBAPIError as error:
        if name not in config.views or config.views[name].select is None:
            raise
        reason = str(error.orig).strip().partition("\n")[0]
        where = config.where("views", name, "select")
        fix = "correct the select in tables.yaml; connector check tries it without a start"
        raise StartupError(f"{where}: the view {name} cannot be made: {reason}.", fix) from error


def faults(connection: Connection, recorded: rules.Rules) -> Iterator[str]:
    """A sentence for each view that is not as it was made."""
    made = rules.views(recorded)
    found = dialects.catalogue(connection).relations(made)
    for name, rule in sorted(made.items()):
        if rule == TAKEN and name in found:
            yield f"the view {name} was not made, because its name is taken: {_fix(name)['fix']}"
        elif name not in found:
            yield f"the view {name} is missing"
        elif _digest(found[name].definition) != rule.rpartition(" ")[2]:
            yield f"the view {name} is not as the connector made it"


def statements(schema: str, view: ViewDefinition, dialect: dialects.Dialect) -> list[str]:
    """DROP, CREATE, and COMMENT where there are any; ``schema`` stands before the name."""
    name = schema + quoted(view.name)
    made = [f"DROP VIEW IF EXISTS {name}", f"CREATE VIEW {name} AS {view.select}"]
    comments = _comments(schema, view) if dialect.compiler.supports_comments else {}
    return [*made, *comments.values()]


def _comments(schema: str, view: ViewDefinition) -> dict[str, str]:
    """COMMENT of each column, and of the view under an empty name, as PostgreSQL takes them."""
    name = schema + quoted(view.name)
    made = {"": f"COMMENT ON VIEW {name} IS {literal(view.comment)}"} if view.comment else {}
    for column, comment in view.columns.items():
        made[column] = f"COMMENT ON COLUMN {name}.{quoted(column)} IS {literal(comment)}"
    return made


def _noted(view: ViewDefinition) -> str:
    """What a rule says of comments: a digest by column, without blanks."""
    texts = {"": view.comment, **view.columns}
    return ",".join(f"{column}={_digest(text)[:8]}" for column, text in texts.items())


def _comment(catalogue: Catalogue, view: ViewDefinition, rule: str) -> None:
    """Set comments, but for those that somebody wrote over the connector's."""
    noted = rule.split(" ")[1:2] or [""]
    ours = {tuple(one.split("=")) for one in noted[0].split(",")}
    found = catalogue.comments(view.name).items()
    free = {column for column, text in found if not text or (column, _digest(text)[:8]) in ours}
    if free:
        made = _comments(catalogue.schema, view)
        catalogue.execute(*(one for column, one in made.items() if column in free))


def _fix(name: str) -> dict[str, str]:
    return {
        "view": name,
        "fix": f"rename the table or view {name} that is there, or the view in tables.yaml; start the worker",
    }


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _drop(catalogue: Catalogue, name: str, ours: Collection[str]) -> bool:
    """Drop a view that is no longer expected, unless somebody built on it."""
    try:
        with catalogue.dependents_named(f"The view {name} is kept"):
            catalogue.drop_view(name, ours)
    except StartupError as kept:
        log.warning("a view that is no longer in tables.yaml was not dropped", view=name, why=kept.what)
        return False
    return True
