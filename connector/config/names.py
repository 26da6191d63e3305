"""Names of tables, columns, indexes, views and topics: what both databases and Kafka take.

A mirror may move from SQLite to PostgreSQL, so what one of them refuses is refused for both.
"""

from collections.abc import Collection, Iterator

from connector.config import table_kinds
from connector.config.findings import Located, finding, nearest
from connector.config.models import Config
from connector.config.source import Location
from connector.config.table_models import SHOP_COLUMN, Table
from connector.config.topic_models import Topics

VERSION_SUFFIX = "__version"
OWN_TABLES = (
    "notifications",
    "dead_letters",
    "consumer_offsets",
    "mirror_losses",
    "mirror_columns",
    "mirror_rules",
    "mirror_layout",
    "mirror_routes",
    "mirror_counters",
    "mirror_status",
    "sweeps",
    "audits",
    "drift",
    "hydration",
    "implied_hooks",
    "hydration_work",
    "backfills",
)
# What each table of PostgreSQL has by itself (its manual, 5.6).
SYSTEM_COLUMNS = ("tableoid", "xmin", "cmin", "xmax", "cmax", "ctid")
# Functions of SQLite that can be read like tables, and then take the name.
SQLITE_FUNCTIONS = (
    *("json_each", "json_tree", "jsonb_each", "jsonb_tree", "generate_series", "dbstat", "bytecode"),
    *("tables_used", "carray", "completion", "fts3tokenize", "fts5vocab"),
)
# Tables and indexes share their names: PostgreSQL gives the index of a primary key the name <table>_pkey.
RESERVED = {
    "pg_": "names that start with pg_ are PostgreSQL's",
    "sqlite_": "names that start with sqlite_ are SQLite's",
    "pragma_": "names that start with pragma_ are SQLite's",
    "ix_": "names that start with ix_ are those of indexes",
    "_pkey": "names that end in _pkey are those of primary keys on PostgreSQL",
    VERSION_SUFFIX: f"names that end in {VERSION_SUFFIX} are the connector's own",
}
# PostgreSQL's names have at most 63 bytes, and a column's version column is named after it.
MAX_COLUMN_NAME = 63 - len(VERSION_SUFFIX)
# Of the key and the columns of a table. A row of PostgreSQL fits one page of 8 KiB, in which each value,
# and each version beside one, takes up to 24 bytes, however long it is.
MAX_COLUMNS = 150
# PostgreSQL's limit (its manual, appendix K).
MAX_INDEX_COLUMNS = 32
MAX_TOPIC_NAME = 249  # Kafka's
KAFKA_TOPICS = ("__consumer_offsets", "__transaction_state", "__share_group_state", "__cluster_metadata")


def topics(topics: Topics) -> Iterator[Located]:
    """Topic names that Kafka refuses, and those that two share: who reads a family reads all of its topic."""
    named: list[tuple[Location, str]] = [
        (("topics", "unrouted"), topics.unrouted),
        (("topics", "dead_letters"), topics.dead_letters),
        (("topics", "snapshots"), topics.snapshots),
    ]
    for family, settings in topics.families.items():
        named.append((("topics", "families", family, "topic"), settings.topic or family))
    taken: dict[str, str] = {}
    for at, part in named:
        name = topics.prefix + part
        # Kafka names metrics after topics, with _ for each point, and refuses the second of two.
        other = taken.get(part.replace(".", "_"))
        taken.setdefault(part.replace(".", "_"), part)
        if other is not None:
            same = "is used more than once" if other == part else f"is the same to Kafka as {other!r}"
            yield finding(at, f"the topic name {part!r} {same}", "Give each its own name with topic.")
        if name.startswith("__"):
            what = f"the topic name {name!r} is of those that Kafka keeps for itself"
            yield finding(at, what, "Choose a name or a prefix that does not start with __.")
        if len(name) > MAX_TOPIC_NAME:
            what = f"the topic name {name!r} has {len(name)} letters, and Kafka takes {MAX_TOPIC_NAME}"
            yield finding(at, what, "Shorten it, or topics.prefix.")
        if name in (".", "..", *KAFKA_TOPICS):
            yield finding(at, f"Kafka has no topic {name!r} for others", "Choose another name.")
    if topics.prefix in topics.former_prefixes:
        what = f"{topics.prefix!r} is the prefix of today"
        yield finding(("topics", "former_prefixes"), what, "List only prefixes that are used no more.")


def tables_and_views(config: Config) -> Iterator[Located]:
    """Names that are not free for a table or a view."""
    for section, names in (("tables", config.tables), ("views", config.views)):
        for name in names:
            subject = f"the {section.removesuffix('s')} name {name!r}"
            reserved = next(
                (
                    why
                    for part, why in RESERVED.items()
                    if (name.endswith(part) if part.startswith("_") else name.startswith(part))
                ),
                None,
            )
            if name in OWN_TABLES:
                what = f"{subject} is the connector's own"
            elif name in SQLITE_FUNCTIONS:
                what = f"{subject} is that of a function of SQLite"
            elif reserved:
                what = f"{subject} is not free: {reserved}"
            elif section == "views" and name in config.tables:
                what = f"the name {name!r} is taken by a table"
            else:
                continue
            yield finding((section, name), what, "Choose another name.")
    former: dict[Location, str] = {
        ("tables", name, "was"): table.was for name, table in config.tables.items() if table.was
    }
    yield from _former("table", former, {*config.tables, *config.views}, OWN_TABLES)


def _former(
    kind: str, former: dict[Location, str], known: Collection[str], own: Collection[str]
) -> Iterator[Located]:
    """Names that tables or columns had before, and that something else has; by where they stand."""
    for at, was in former.items():
        if was in own or was.endswith(VERSION_SUFFIX):
            cure = "Remove was; a column of that name is renamed while mirror.key_by_shop is not true."
            what = f"the {kind} {was!r} is the connector's own"
            yield finding(at, what, cure if was == SHOP_COLUMN else "Remove was.")
        elif was in known or list(former.values()).count(was) > 1:
            what = f"the {kind} {was!r}, which was renamed, is still named here"
            yield finding(at, what, f"Remove was, or the other {kind}.")


class TableNames:
    """Names of one table's columns, and the columns that its indexes and ``requires`` name.

    ``by_shop`` says whether there is a column for the shop, too.
    """

    def __init__(self, at: Location, table: Table, *, by_shop: bool) -> None:
        self._at = at
        self._table = table
        self._kind = table_kinds.KINDS[table.kind]
        self._shop = (SHOP_COLUMN,) if by_shop else ()
        self._own = (*self._kind.columns, *self._shop)

    def errors(self) -> Iterator[Located]:
        """Yield every error."""
        at, table = self._at, self._table
        for section, names in (("key", table.key), ("columns", table.columns)):
            for column in names:
                yield from self._column((*at, section, column), column)
        former: dict[Location, str] = {
            (*at, "key" if name in table.key else "columns", name, "was"): source.was
            for name, source in table.valued.items()
            if source.was
        }
        yield from _former("column", former, table.valued, self._own)
        for column in sorted(set(table.key) & set(table.columns)):
            yield finding((*at, "columns", column), f"the column {column!r} exists already", "Rename it.")
        key = len(self._shop) + len(table.key)
        if (count := key + len(table.columns)) > MAX_COLUMNS:
            what = f"the table has {count} columns, and a row of PostgreSQL surely holds {MAX_COLUMNS}"
            yield finding((*at, "columns"), what, "Part it into several tables with the same key.")
        if key > MAX_INDEX_COLUMNS:
            what = f"the key has {key} columns, and PostgreSQL takes up to {MAX_INDEX_COLUMNS}"
            yield finding((*at, "key"), what, "Take fewer.")
        yield from self._indexes()
        for column in table.requires:
            if column not in table.valued:
                what = f"no column {column!r} to require"
                yield finding((*at, "requires"), what, nearest(column, table.valued))

    def _column(self, at: Location, column: str) -> Iterator[Located]:
        if column in self._own or column.endswith(VERSION_SUFFIX):
            yield finding(at, f"the column {column!r} exists already", "Rename it.")
        if column in SYSTEM_COLUMNS:
            what = f"each table of PostgreSQL has a column {column!r} of its own"
            yield finding(at, what, f"Rename it, as in {column}_value.")
        if len(column) > MAX_COLUMN_NAME:
            what = f"the column name {column!r} is longer than {MAX_COLUMN_NAME} letters"
            yield finding(at, what, "Shorten it.")

    def _indexes(self) -> Iterator[Located]:
        indexes = self._table.indexes
        known = {*self._table.key, *self._table.columns, *self._own}
        most = MAX_INDEX_COLUMNS - (len(self._shop) if self._kind.key else 0)
        for place, index in enumerate(indexes):
            where = (*self._at, "indexes", place)
            if not index or index in indexes[:place]:
                what = "an index names columns" if not index else f"the index {list(index)} stands twice"
                yield finding(where, what, "Remove it.")
            if len(set(index)) < len(index):
                yield finding(where, f"the index {list(index)} names a column twice", "Remove one of them.")
            if len(index) > most:
                what = f"the index has {len(index)} columns, and PostgreSQL takes up to {most}"
                yield finding(where, what, "Take fewer.")
            for column in index:
                if column not in known:
                    yield finding(where, f"no column {column!r} to index", nearest(column, known))
