"""The own tables of how the mirror is made: its layout, the rules of its columns, and families."""

from connector.mirror.models.own import Own, column


class MirrorLayout(Own, table=True):
    """Which layouts the connector's own tables had."""

    __tablename__ = "_mirror_layout"

    version: int = column("small", "Layout of the connector's own tables.", key=True)
    connector: str = column("text", "Version of the connector that made it.")
    made_at: str = column("timestamp", "Since when the tables have it (UTC).")


class MirrorRule(Own, table=True):
    """Which rule filled which column (connector's own)."""

    __tablename__ = "_mirror_rules"

    table_name: str = column("exact", "Table of the mirror.", key=True)
    column_name: str = column("exact", "Column; empty for the table itself.", key=True)
    rule: str = column("text", "The rule that filled it, as written in YAML.")


class MirrorRoute(Own, table=True):
    """Which action belongs to which family and topic."""

    __tablename__ = "_mirror_routes"

    family: str = column("exact", "Family of topics.yaml, or unrouted.", key=True)
    action: str = column("exact", "XTND's Action; empty for the family itself.", key=True)
    topic: str = column("text", "Kafka topic of the family.")
