"""What no single model can see: rules that hold between the parts of a configuration."""

from collections.abc import Collection, Iterator

from connector.config import database_url, names, snapshot_checks, source_checks, table_kinds, view_checks
from connector.config.findings import Located, finding, nearest
from connector.config.models import Config
from connector.config.source import Location
from connector.config.table_models import Column, KeyColumn, Source, Table, constant_type

MAX_CONSTANT_TEXT = 250
# The family of an action that no family claims.
UNROUTED = "unrouted"


class Checks:
    """Rules between the parts of one configuration."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def errors(
        self, *, with_secrets: bool = True, with_login: bool = False, absent: Collection[str] = ()
    ) -> Iterator[Located]:
        """Yield every error; ``absent`` are sections whose secrets nobody here needs."""
        if with_secrets:
            yield from self._hooks()
        if "kafka" not in absent:
            yield from self._kafka()
        if "database" not in absent and (
            fault := database_url.fault(self._config.database.url.get_secret_value())
        ):
            what, cure = fault
            yield finding(("database", "url"), f"database.url (DATABASE_URL) {what}", cure)
        yield from self._shops()
        yield from self._retention()
        yield from self._families()
        yield from names.topics(self._config.topics)
        yield from names.tables_and_views(self._config)
        for name, table in self._config.tables.items():
            yield from self._table(name, table)
        for name, view in self._config.views.items():
            yield from view_checks.ViewChecks(self._config, name, view).errors()
        if (sources := self._config.sources) is not None:
            yield from source_checks.SourcesChecks(self._config, sources).errors(with_login=with_login)

    def _hooks(self) -> Iterator[Located]:
        for name, hook in self._config.hooks.items():
            if hook.verify == "required" and not hook.secrets:
                what = f"the hook {name!r} has no secret to verify deliveries with"
                cure = (
                    "Set XTND_WEBHOOK_SECRET to the hook's secret, or list it under secrets or secret_files."
                )
                yield finding(("hooks", name), what, cure)

    def _retention(self) -> Iterator[Located]:
        retention = self._config.mirror.retention
        if retention and "@" in retention.archive.partition("://")[2].partition("/")[0]:
            what = "mirror.retention.archive has a login in its URL, which the mirror would keep"
            cure = "Leave it out, and give it as the service's own variables (such as AWS_ACCESS_KEY_ID)."
            yield finding(("mirror", "retention", "archive"), what, cure)

    def _shops(self) -> Iterator[Located]:
        """Several shops without a decision about them, and a hook that would be of none."""
        by_shop: dict[str | None, str] = {}
        by_key = self._config.mirror.key_by_shop
        for name, hook in self._config.hooks.items():
            by_shop.setdefault(hook.shop, name)
            if by_key and hook.shop is None:
                what = f"mirror.key_by_shop is true, and the hook {name!r} names no shop"
                yield finding(("hooks", name), what, "Add shop: and the name of the shop that posts to it.")
        if len(by_shop) > 1 and by_key is None:
            named = " and ".join(
                f"{hook!r} ({shop or 'which names no shop'})" for shop, hook in by_shop.items()
            )
            cure = (
                "Write mirror: {key_by_shop: true}, which puts a column shop first in every key; or false, "
                "and what has one key, such as the order number 9001 of either shop, is one row."
            )
            what = f"the hooks {named} are of several shops, and it is not decided whether tables tell "
            what += "them apart"
            yield finding(("hooks", list(by_shop.values())[1]), what, cure)

    def _kafka(self) -> Iterator[Located]:
        kafka, topics = self._config.kafka, self._config.topics
        servers = [server.rpartition(":") for server in kafka.servers]
        if not servers or not all(
            host and port.isdigit() and 0 < int(port) <= database_url.MAX_PORT for host, _, port in servers
        ):
            what = f"{kafka.bootstrap_servers!r} is no list of servers"
            cure = "Write host:port, several separated by commas."
            yield finding(("kafka", "bootstrap_servers"), what, cure)
        if kafka.security_protocol.startswith("SASL") and not (
            kafka.sasl_mechanism and kafka.sasl_username and kafka.sasl_password
        ):
            cure = "Set sasl_mechanism, sasl_username and sasl_password."
            yield finding(
                ("kafka", "security_protocol"), f"{kafka.security_protocol} needs credentials", cure
            )
        if topics.retention_hours == 0:
            what = "a retention of 0 hours deletes records before they are mirrored"
            yield finding(("topics", "retention_hours"), what, "Write hours, or -1 for no limit.")
        if topics.min_insync_replicas > topics.replication_factor:
            what = "min_insync_replicas is above replication_factor: no write could ever be acknowledged"
            yield finding(("topics", "min_insync_replicas"), what, "Lower it, or raise replication_factor.")

    def _families(self) -> Iterator[Located]:
        """Families that claim what is another's, and hooks with families that are not there."""
        families = self._config.topics.families
        claimed: dict[str, str] = {}
        for owner, action, _ in self._config.actions():
            if first := claimed.get(action):
                what = f"the action {action!r} is in two families, {first!r} and {owner!r}"
                yield finding(("topics", "families", owner, "actions", action), what, "Remove one of them.")
            claimed.setdefault(action, owner)
        if UNROUTED in families:
            what = f"the family {UNROUTED!r} is that of actions which no other claims; its own are never read"
            yield finding(("topics", "families", UNROUTED), what, "Give the family another name.")
        known = {*families, UNROUTED}
        for name, hook in self._config.hooks.items():
            for family in hook.families or ():
                if family not in known:
                    what = f"the family {family!r} is not in topics.yaml"
                    yield finding(("hooks", name, "families"), what, nearest(family, known))

    def _table(self, name: str, table: Table) -> Iterator[Located]:
        at = ("tables", name)
        kind = table_kinds.KINDS[table.kind]
        if kind.of_sources:
            yield from snapshot_checks.SnapshotChecks(self._config, name, table).errors()
        else:
            yield from self._fed_by_hooks(at, table)
        if not kind.key and not table.key:
            what = f"the {table.kind} table {name!r} has no key"
            yield finding(at, what, "Say under key what identifies a row.")
        if kind.key and table.key:
            what = f"a {table.kind} table's key is always {', '.join(kind.key)}"
            yield finding((*at, "key"), what, "Move these to columns.")
        for key, source in table.key.items():
            yield from SourceChecks((*at, "key", key), table, source).key(source)
        for column, settings in table.columns.items():
            yield from SourceChecks((*at, "columns", column), table, settings).column(settings)
        yield from names.TableNames(at, table, by_shop=self._config.shops is not None).errors()

    def _fed_by_hooks(self, at: Location, table: Table) -> Iterator[Located]:
        known_actions = {action for _, action, _ in self._config.actions()}
        for action in table.actions:
            if action not in known_actions:
                what = f"the action {action!r} is in no family of topics.yaml"
                yield finding((*at, "actions"), what, nearest(action, known_actions))
        if not table.actions:
            yield finding(at, "the table takes no action", "List at least one with actions.")
        for setting in ("of", "parent", "time_zone"):
            if getattr(table, setting):
                what = f"a {table.kind} table has no {setting}"
                yield finding((*at, setting), what, "Remove it, or write kind: snapshot.")


class SourceChecks:
    """What a part of a table's key, or a column, may say about where its value comes from."""

    def __init__(self, at: Location, table: Table, source: Source) -> None:
        self._at = at
        self._table = table
        self._source = source
        self._constants = [*(source.by_action or {}).values()]
        if source.constant is not None:
            self._constants.append(source.constant)
        self._per_action = [*(source.by_action or ())]
        if isinstance(source.path, dict):
            self._per_action += source.path

    def key(self, part: KeyColumn) -> Iterator[Located]:
        """Errors of a part of the key."""
        yield from self._given(counts=False)
        yield from self._actions(self._per_action)
        if self._per_action and set(self._per_action) != set(self._table.actions):
            missing = ", ".join(sorted(set(self._table.actions) - set(self._per_action)))
            yield finding(
                self._at, f"the key has no value for {missing}", "A key needs one for every action."
            )
        if part.event == "occurred_at":
            yield finding(self._at, "a key is text, and occurred_at is not", "Take another source.")
        yield from self._lengths()
        for constant in self._constants:
            if isinstance(constant, str) and not constant.strip():
                yield finding(self._at, "the key is empty", "A key identifies something.")
            if isinstance(constant, bool):
                what = f"a key is text, and {str(constant).lower()} is not"
                yield finding(self._at, what, "Put it in quotes.")

    def column(self, column: Column) -> Iterator[Located]:
        """Errors of a column."""
        at = self._at
        yield from self._given(counts=column.rule == "count")
        yield from self._actions([*self._per_action, *(column.on or ())])
        yield from self._lengths()
        types = {constant_type(constant) for constant in self._constants}
        if column.type is None and len(types) > 1:
            named = {"text": "text", "numeric": "numbers", "boolean": "true or false"}
            kinds = " and ".join(name for type_, name in named.items() if type_ in types)
            yield finding(at, f"the values are {kinds} mixed", "Put all in quotes.")
        folds = table_kinds.KINDS[self._table.kind].folds
        if folds and column.rule is None:
            yield finding(at, "the column has no rule", "Give rule: latest, earliest, count, min or max.")
        if not folds and (column.rule or column.on):
            what = f"a {self._table.kind} row holds its own event's values, so no rule or on"
            yield finding(at, what, "Remove it.")
        yield from self._type(column)

    def _given(self, *, counts: bool) -> Iterator[Located]:
        """How many sources are written down, and those that say nothing."""
        given = self._source.given()
        if counts and given:
            yield finding(self._at, "a count takes no value", f"Remove {given[0]}.")
        if not counts and len(given) != 1:
            sources = " and ".join(given) or "none"
            cure = "Give exactly one of path, constant, by_action, event."
            yield finding(self._at, f"a value comes from one place, here it is {sources}", cure)
        path = self._source.path
        for name in given:
            if getattr(self._source, name) in ((), {}) or (isinstance(path, dict) and () in path.values()):
                yield finding(self._at, f"{name} is empty", "Say where the value comes from.")

    def _actions(self, named: list[str]) -> Iterator[Located]:
        for action in named:
            if action not in self._table.actions:
                what = f"the action {action!r} does not feed this table"
                yield finding(self._at, what, nearest(action, self._table.actions))

    def _lengths(self) -> Iterator[Located]:
        if any(isinstance(one, str) and len(one) > MAX_CONSTANT_TEXT for one in self._constants):
            what = f"the constant is longer than {MAX_CONSTANT_TEXT} letters"
            yield finding(self._at, what, "Shorten it.")

    def _type(self, column: Column) -> Iterator[Located]:
        at = self._at
        if column.rule == "count" and column.type not in (None, "integer"):
            yield finding(at, f"a count is an integer, not {column.type}", "Remove type.")
        if column.event == "occurred_at" and column.type not in (None, "timestamp"):
            yield finding(at, f"occurred_at is a timestamp, not {column.type}", "Remove type.")
        if column.event not in (None, "occurred_at") and column.type not in (None, "text"):
            yield finding(at, f"{column.event} is text, not {column.type}", "Remove type.")
        if column.rule != "count" and column.type == "integer":
            yield finding(at, "only a count is an integer", "Write type: numeric.")
        if column.path is not None and column.type is None:
            cure = "Give type: text, numeric, timestamp or boolean."
            yield finding(at, "a value from a path needs a type", cure)
        for constant in self._constants:
            actual = constant_type(constant)
            if (column.type or actual) != actual:
                yield finding(at, f"{constant!r} is {actual}, not {column.type}", f"Write type: {actual}.")
