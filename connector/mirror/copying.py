"""A whole mirror in another database: ``connector copy``.

One transaction reads the source, so all tables and the consumer offsets are of one moment. The copy does not
wait for a worker on the source, and a worker on the copy goes on from that moment. One transaction makes and
fills the target, so it holds all of the copy or nothing. Before that a table is created there that marks the
copy as unfinished; the same transaction drops it. A process that opens the target meanwhile, or after an
interrupted copy, gets an error (``steps.version_of``) instead of making an empty mirror there.
"""

import re
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import NamedTuple, cast

from sqlalchemy import Connection, Engine, Table

from connector import failpoints
from connector.config import Config
from connector.errors import ConfigError, ConnectorError, DatabaseOutage, StartupError
from connector.mirror import (
    archive_copies,
    database,
    dialects,
    frozen,
    indexes,
    locks,
    remedies,
    rules,
    schema,
    shape,
    steps,
)
from connector.mirror.archives import StoredArchive
from connector.mirror.copied_rows import CopiedTable, Digest, Row, differences
from connector.mirror.database import shown, transaction
from connector.mirror.mapped import logical, stored
from connector.mirror.mapping import Mapping
from connector.mirror.statements import quoted
from connector.mirror.tables import Tables

Observe = Callable[[str, int, int], None]
"""Is given a stage (``STAGES``), the rows done in it, and all rows."""

STAGES = ("copying", "comparing")
OBSERVED_ROWS = 1000
SHOWN = 20
# Made by the schema from tables.yaml, and with rules of its own for views of the database.
NOT_COPIED = stored("mirror_rules")
OF_SOURCE = "while the source was read"
MIRROR_SETTINGS = re.compile(r"(?:--database-url or )?DATABASE_URL(?: or --database-url)?")


class Copied(NamedTuple):
    """What was copied, in rows by table, and what stays behind in the source.

    ``archives`` stand where they stood, for both; ``unfinished`` are files that the source alone knows.
    ``frozen`` is what ``tables.yaml`` no longer has, ``views`` are those of others, ``readers`` are roles
    that may read.
    """

    rows: dict[str, int]
    archives: list[StoredArchive]
    unfinished: list[str]
    frozen: list[str]
    views: list[str]
    readers: list[str]


def copy(source: Engine, target: Engine, config: Config, mapping: Mapping, observe: Observe) -> Copied:
    """Copy the mirror at ``source`` to ``target``, and compare every row; ``config`` is the target's.

    ``source`` is opened for reading (``database.connect``), ``target`` to be made. Raises ``StartupError``
    where the source is no mirror as ``tables.yaml`` has it, where the target holds one or has names of
    others, and for a row that is not the same; ``DatabaseOutage``.
    """
    tables = Tables(mapping)
    steps.require(source)
    with transaction(source) as read:
        _require_as_configured(read, mapping, tables)
    with naming_target(), locks.watching(target):  # of another copy, which is waited for
        dialects.of(target).for_loading(target)
        locks.until_granted(partial(_announce, target, shown(config.database)))
    with transaction(source) as read:
        # First of all, because all that is read is of the moment of the next statement.
        dialects.of(read).hold(read, tables.metadata.tables)
        _require_as_configured(read, mapping, tables)  # now that nobody can change it
        copied = [CopiedTable.of(one) for one in tables.metadata.sorted_tables if one.name != NOT_COPIED]
        counted = {one.name: f"SELECT COUNT(*) FROM {quoted(one.name)}" for one in copied}
        counts = {name: int(read.exec_driver_sql(query).scalar_one()) for name, query in counted.items()}
        with naming_target(), transaction(target) as write:
            # Locked until the end, at which the note of ``_announce`` is gone.
            steps.lock_for_change(write)
            if not steps.copy_is_unfinished(write):
                cure = "start a worker there"
                raise StartupError("Another copy into the target was finished meanwhile.", cure)
            write.exec_driver_sql(f"DROP TABLE {steps.UNFINISHED_COPY}")
            schema.apply(cast("Engine", _Inside(write)), config, mapping, tables)
            run = _Run(read, write, observe, sum(counts.values()))
            run.fill(copied, tables.metadata.sorted_tables)
            run.compare(copied)
            unfinished = archive_copies.leave(write)
            archives = archive_copies.of_copy(write)
            failpoints.reach("before-copy-commit")
        rows = {logical(name): count for name, count in counts.items()}
        old = [one.name for one in frozen.of(read, tables)]
        views = dialects.of(read).others_views(read, rules.views(rules.recorded(read)).keys())
        return Copied(rows, archives, unfinished, old, views, dialects.of(read).readers(read))


def require_empty(config: Config) -> None:
    """Raise ``StartupError`` where the database of a configuration holds a mirror."""
    with naming_target():
        target = database.connect(config.database)
        try:
            with transaction(target) as connection:
                _require_empty(connection, shown(config.database))
        finally:
            target.dispose()


@contextmanager
def naming_target() -> Iterator[None]:
    """Have errors of the target name ``--to`` in their fix, where a mirror's name its own settings.

    Raises ``StartupError`` for ``DatabaseOutage`` too: a copy waits for no database.
    """
    try:
        yield
    except ConfigError as error:
        found = [
            replace(one, what=one.what.replace("database.url (DATABASE_URL)", "--to"))
            for one in error.findings
        ]
        raise ConfigError(found) from error
    except (StartupError, DatabaseOutage) as error:
        if OF_SOURCE in getattr(error, "__notes__", ()):
            raise
        if isinstance(error, StartupError):
            what, cure = error.what, error.cure
        else:
            what, cure = str(error), remedies.fix(error) or remedies.START_IT
        raise StartupError(what, MIRROR_SETTINGS.sub("--to", cure)) from error


class _Run:
    """Rows from one connection to another."""

    def __init__(self, read: Connection, write: Connection, observe: Observe, total: int) -> None:
        self._read, self._write = read, write
        self._observe, self._total, self._done = observe, total, 0
        self._by_meaning = read.dialect.name != write.dialect.name
        self._digests: dict[str, Digest] = {}

    def fill(self, copied: Sequence[CopiedTable], tables: Sequence[Table]) -> None:
        """Copy every table; indexes are made when the rows are there."""
        made = [index for table in tables for index in table.indexes]
        for index in made:
            index.drop(self._write)
        for table in copied:
            self._write.exec_driver_sql(f"DELETE FROM {quoted(table.name)}")
            self._copy(table)
            failpoints.reach("copied-table")
        for index in made:
            indexes.make(self._write, index)

    def _copy(self, table: CopiedTable) -> None:
        digest = self._digests[table.name] = Digest(table, by_meaning=self._by_meaning)
        given = partial(self._of_source, table, best_for=self._write)
        last: list[Row] = []
        try:
            with closing(self._watched(STAGES[0], digest.through(given()), last)) as rows:
                dialects.of(self._write).load(self._write, table.name, table.columns, rows)
        except dialects.ERRORS as error:
            target = self._write.engine.url.database or ""
            raise table.refused(error, target, last[0] if last else None, given) from error

    def _of_source(self, table: CopiedTable, *, best_for: Connection | None = None) -> Iterator[Row]:
        try:
            yield from table.rows(self._read, best_for=best_for)
        except ConnectorError as error:
            error.add_note(OF_SOURCE)
            raise

    def compare(self, copied: Sequence[CopiedTable]) -> None:
        """Read back what was written; raises ``StartupError`` that names the first differences."""
        self._done = 0
        found: list[str] = []
        for table in copied:
            digest = Digest(table, by_meaning=self._by_meaning)
            for _ in self._watched(STAGES[1], digest.through(table.rows(self._write))):
                pass
            if digest.value != self._digests[table.name].value:
                both = self._of_source(table), table.rows(self._write)
                found += islice(differences(table, *both, by_meaning=self._by_meaning), SHOWN)
        if found:
            more = "\n".join(found[:SHOWN])
            raise StartupError(
                f"The copy is not the same as its source, and was undone:\n{more}",
                "run connector copy again, with the rows above at hand if they differ again",
            )

    def _watched(self, stage: str, rows: Iterator[Row], last: list[Row] | None = None) -> Generator[Row]:
        row: Row | None = None
        start = self._done
        try:
            for self._done, row in enumerate(rows, start + 1):
                if self._done % OBSERVED_ROWS == 0:
                    self._observe(stage, self._done, self._total)
                if last is not None:
                    last[:] = [row]
                yield row
        finally:
            self._observe(stage, self._done, self._total)


class _Inside:
    """Stands for an engine whose transactions are parts of one that is open."""

    def __init__(self, connection: Connection) -> None:
        self.dialect, self.url = connection.dialect, connection.engine.url
        self._connection = connection

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        with self._connection.begin_nested():
            yield self._connection


def _announce(target: Engine, name: str) -> None:
    """Note in the target that a copy is under way; raises ``StartupError`` where there is a mirror."""
    with transaction(target) as connection:
        steps.lock_for_change(connection)
        if _require_empty(connection, name):
            dialects.catalogue(connection).make_store()
            connection.exec_driver_sql(f"CREATE TABLE {steps.UNFINISHED_COPY} (started INTEGER)")


def _require_empty(connection: Connection, name: str) -> bool:
    """Whether nothing at all was copied into the target; raises ``StartupError`` where there is a mirror."""
    if steps.copy_is_unfinished(connection):
        return False  # an interrupted copy leaves nothing but this
    if (version := steps.version_of(connection)) is not None:
        raise StartupError(
            f"{name} holds a mirror already (layout {version}).",
            "name an empty database with --to, or a file that is not there: sqlite:///path/to/mirror.db",
        )
    return True


def _require_as_configured(read: Connection, mapping: Mapping, tables: Tables) -> None:
    """Raise ``StartupError`` unless the source is what ``tables.yaml`` says, and filled."""
    expected = {**rules.of_mapping(mapping), ("", ""): rules.fingerprint(mapping)}
    shapes = shape.of(read, tables).values()
    if expected.items() - rules.recorded(read).items() or any(
        one.missing or one.columns or one.types or one.key for one in shapes
    ):
        raise StartupError(
            "The mirror is not as tables.yaml says.",
            "name the configuration of its worker with --config, or run: connector schema apply "
            "(connector schema plan shows what that changes)",
        )
