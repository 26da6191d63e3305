"""The mirror's views: those of ``tables.yaml``, and how fresh the mirror is."""

from collections.abc import Iterator

from connector import events
from connector.config import SHOP_COLUMN, Config
from connector.mirror import full_view, status_view, view_kinds
from connector.mirror.dialects import Dialect
from connector.mirror.mapped import SHOP_DESCRIPTION
from connector.mirror.mapping import Mapping
from connector.mirror.shown import ViewDefinition

SWEEPS = "sweeps"
SWEEPS_COLUMNS = {
    "started_at": "When the sweep started (UTC).",
    "family": "Family whose list was read.",
    "finished_at": "When the list was read to its end; null while it is, or where the sweep was ended (UTC).",
    "listed": "Records that were listed.",
    "enqueued": "Records that were asked for, or published from the list itself.",
    "repaired": "Those of them that the mirror had not as the list has them, and that were fetched since.",
    "lost_hooks": "Hooks that never came, by what records imply and what changed.",
}
SWEEPS_COMMENT = "What was looked for that hooks never reported, and what was found (docs/records.md)."
DRIFT = "drift"
DRIFT_COLUMNS = {
    "found_at": "When the record was asked for (UTC).",
    "family": "Family of topics.yaml.",
    "entity_key": "Which record of it, as in notifications.",
    "table_name": "Table of the mirror.",
    "row_key": "Which of the record's rows there; empty where it has one.",
    "column_name": "Column of the row; empty where only one of both has the row.",
    "mirrored": "What the mirror had; of a row its columns as JSON.",
    "source": "What the source had; of a row its columns as JSON.",
}
DRIFT_COMMENT = (
    "Where audits found the mirror not to be as the source; it is fetched again (docs/records.md)."
)


def statements(config: Config, mapping: Mapping, dialect: Dialect) -> Iterator[ViewDefinition]:
    """Every view beside those of the tables."""
    for name, view in config.views.items():
        text = view.text(dialect.name, config.shops)
        if text is not None:
            # Only where its text asks for the shop is it another one than without.
            shop = {SHOP_COLUMN: SHOP_DESCRIPTION} if text != view.text(dialect.name) else {}
            yield ViewDefinition(name, text, view.description, shop | view.columns)
            continue
        if view.kind == "full":
            made = full_view.FullView(view, config, mapping)
            yield ViewDefinition(name, made.select(), view.description, made.comments() | view.columns)
            continue
        settings, table = config.tables[str(view.of)], mapping.table(str(view.of))
        select = view_kinds.select(view, settings, table, dialect)
        yield ViewDefinition(name, select, view.description, view_kinds.comments(view, table) | view.columns)
    yield ViewDefinition(status_view.NAME, status_view.SELECT, status_view.COMMENT, status_view.COLUMNS)
    shop = {SHOP_COLUMN: SHOP_DESCRIPTION} if config.shops is not None else {}
    for name, own, comment in (
        (SWEEPS, SWEEPS_COLUMNS, SWEEPS_COMMENT),
        (DRIFT, DRIFT_COLUMNS, DRIFT_COMMENT),
    ):
        columns = own | shop
        yield ViewDefinition(name, f"SELECT {', '.join(columns)} FROM _{name}", comment, columns)


def routes(config: Config) -> list[tuple[str, str, str]]:
    """Rows of ``mirror_routes``: (family, action, topic); each family has one with an empty action.

    The view of the status reads them, so that an action or a family more changes no view. Those without a
    family are the topics of snapshots, with the topic as action.
    """
    parts = config.topics
    snapshots = [parts.snapshot_topic, *(prefix + parts.snapshots for prefix in parts.former_prefixes)]
    topics = {**config.topics.topic_of_family, events.UNROUTED: config.topics.unrouted_topic}
    families = [(family, "", topic) for family, topic in topics.items()]
    actions = [(family, action, topics[family]) for family, action, _ in config.actions()]
    return sorted([*families, *actions, *(("", topic, topic) for topic in snapshots)])
