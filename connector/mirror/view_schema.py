"""Views in the database: made, replaced in place, dropped.

Grants on a view, and what readers built on it, stay. On PostgreSQL ``CREATE OR REPLACE VIEW`` replaces a
view, with new columns last. Where that is not possible, the view is dropped and made again with its grants,
unless something depends on it. A view that did not change is left alone, so that no reader is waited for.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import structlog
from sqlalchemy import Connection, inspect
from sqlalchemy.exc import DBAPIError

from connector.config import Config
from connector.errors import StartupError
from connector.mirror import dialects, rules, shown, views
from connector.mirror.dialects.dialect import quoted
from connector.mirror.mapped import logical
from connector.mirror.mapping import Mapping
from connector.mirror.rules import TAKEN
from connector.mirror.shown import ViewDefinition
from connector.mirror.tables import Tables

log = structlog.get_logger(__name__)


class Views:
    """The views of a mapping: as they were made (``made``, their rules), should be (``expected``), and are.

    ``frozen`` ones are of tables that ``tables.yaml`` no longer has. ``shows_removed``: with the columns
    that only the database still has.
    """

    def __init__(
        self,
        connection: Connection,
        config: Config,
        mapping: Mapping,
        tables: Tables,
        *,
        shows_removed: bool = True,
    ) -> None:
        self._connection, self._config = connection, config
        self._catalogue = dialects.catalogue(connection)
        dialect, recorded = dialects.of(connection), rules.recorded(connection)
        self.made = rules.views(recorded)
        removed = shown.removed_columns(connection, tables) if shows_removed else {}
        of_tables = shown.of_tables(tables, dialect, removed)
        self.expected = {
            view.name: view for view in (*of_tables, *views.statements(config, mapping, dialect))
        }
        self.found = self._catalogue.relations(self.made.keys() | self.expected.keys())
        # A table that tables.yaml no longer has keeps what it holds, for its readers.
        existing = {logical(table) for table in inspect(connection).get_table_names()}
        self.frozen = {name for name, _ in recorded if name in self.found} & existing - self.expected.keys()

    def ensure(self) -> None:
        """Make the views that are new, changed, or not as they were made.

        Raises ``StartupError`` where a view would lose a column that others built on.
        """
        new = {name: self.made[name] for name in self.made.keys() & self.frozen}
        for name in self.made.keys() - self.expected.keys() - self.frozen:
            if self.made[name] != TAKEN and not self._drop(name):
                new[name] = self.made[name]
        for name, view in self.expected.items():
            if not self._is_ours(name):
                new[name] = TAKEN
                log.error("a view was not made, because its name is taken", **_fix(name))
                continue
            if self._differs(view):
                with self._own_select(name):
                    self._catalogue.make_view(name, view.select, replace=name in self.found)
                self._refuse_unknown(name)
                self._comment(view)
                self.found |= self._catalogue.relations([name])
            new[name] = self._rule(view)
        if new != self.made:
            rules.record_views(self._connection, new)

    def changes(self) -> Iterator[tuple[str, str]]:
        """What ``ensure`` would do, as (add, change, drop, not made, not dropped; view); changes nothing."""
        for name in sorted(self.made.keys() - self.expected.keys() - self.frozen):
            if self.made[name] != TAKEN and name in self.found:
                yield "not dropped" if self._catalogue.is_used(name, self.made) else "drop", name
        for name, view in self.expected.items():
            if not self._is_ours(name):
                yield "not made", name
            elif self._differs(view):
                yield "change" if name in self.found else "add", name

    def _is_ours(self, name: str) -> bool:
        """Whether a view may be made under its name."""
        here = self.found.get(name)
        # Made by hand from the text of ``connector schema``, there is no record of any.
        return here is None or (here.is_view and (not self.made or self.made.get(name, TAKEN) != TAKEN))

    def _differs(self, view: ViewDefinition) -> bool:
        """Whether a view is missing or not as it should be.

        Also where a select of the user's own gives columns by now that its view has not: PostgreSQL keeps
        those that ``*`` stood for when the view was made.
        """
        name, connection = view.name, self._connection
        if name not in self.found or self.made.get(name) != self._rule(view):
            return True
        if name not in self._config.views or self._config.views[name].select is None:
            return False
        columns = self._catalogue.columns
        with suppress(DBAPIError), connection.begin_nested():  # it may work where the text no longer does
            shown_now = columns(f"SELECT * FROM {self._catalogue.schema}{quoted(name)}")
            return bool({*columns(view.select)} - {*shown_now})
        return False

    def _rule(self, view: ViewDefinition) -> str:
        """Of what a view is made: its text, its comments by column without blanks, and what it became."""
        texts = {"": view.comment, **view.columns}
        noted = ",".join(f"{column}={_digest(text)[:8]}" for column, text in texts.items())
        return f"{_digest(view.select)} {noted} {_digest(self.found[view.name].definition)}"

    @contextmanager
    def _own_select(self, name: str) -> Iterator[None]:
        """Name the line of a user's select that the database refuses."""
        try:
            yield
        except DBAPIError as error:
            if name not in self._config.views or self._config.views[name].select is None:
                raise
            reason = str(error.orig).strip().partition("\n")[0]
            where = self._config.where("views", name, "select")
            fix = "correct the select in tables.yaml; connector check tries it without a start"
            raise StartupError(f"{where}: the view {name} cannot be made: {reason}.", fix) from error

    def _refuse_unknown(self, name: str) -> None:
        """Refuse a description of a column that the view has not."""
        described = self._config.views[name].columns if name in self._config.views else {}
        if not described:
            return
        catalogue = self._catalogue
        columns = catalogue.columns(f"SELECT * FROM {catalogue.schema}{quoted(name)}")
        keeps_case = dialects.of(self._connection).keeps_case
        known = set(columns) if keeps_case else {column.lower() for column in columns}
        for column in described.keys() - known:
            where = self._config.where("views", name, "columns", column)
            fix = f"describe one of its columns: {', '.join(columns)}"
            raise StartupError(f"{where}: the view {name} has no column {column}.", fix)

    def _comment(self, view: ViewDefinition) -> None:
        """Set comments, but for those that somebody wrote over the connector's."""
        noted = self.made.get(view.name, "").split(" ")[1:2] or [""]
        ours = {tuple(one.split("=")) for one in noted[0].split(",")}
        found = self._catalogue.comments(view.name).items()
        free = {column for column, text in found if not text or (column, _digest(text)[:8]) in ours}
        if free:
            made = view.comments(self._catalogue.schema)
            self._catalogue.execute(*(one for column, one in made.items() if column in free))

    def _drop(self, name: str) -> bool:
        """Drop a view that is no longer expected, unless somebody built on it."""
        try:
            with self._catalogue.dependents_named(f"The view {name} is kept"):
                self._catalogue.drop_view(name, self.made)
        except StartupError as kept:
            log.warning("a view that is no longer in tables.yaml was not dropped", view=name, why=kept.what)
            return False
        return True


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


def _fix(name: str) -> dict[str, str]:
    return {
        "view": name,
        "fix": f"rename the table or view {name} that is there, or the view in tables.yaml; start the worker",
    }


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
