"""What no single model can see: rules that hold between the parts of a configuration."""

from collections.abc import Collection, Iterator

from connector.config import database_url, names, table_kinds, view_checks
from connector.config.findings import Located
from connector.config.findings import finding as _finding
from connector.config.findings import nearest as _nearest
from connector.config.models import Config, Topics
from connector.config.source import Location
from connector.config.table_models import Column, KeyColumn, Source, Table, constant_type

MAX_CONSTANT_TEXT = 250
CONSTANTS = {"text": "text", "numeric": "numbers", "boolean": "true or false"}
# The family of an action that no family claims.
UNROUTED = "unrouted"


def check(config: Config, *, with_secrets: bool = True, absent: Collection[str] = ()) -> Iterator[Located]:
    """Yield every error; ``absent`` are sections whose secrets nobody here needs."""
    if with_secrets:
        yield from _hooks(config)
    if "kafka" not in absent:
        yield from _kafka(config)
    if "database" not in absent:
        yield from _database(config)
    yield from _shops(config)
    yield from _families(config)
    yield from _allowed_families(config)
    yield from names.topics(config)
    yield from names.tables_and_views(config)
    for name, table in config.tables.items():
        yield from _table(config, name, table)
    yield from view_checks.check(config)


def _hooks(config: Config) -> Iterator[Located]:
    for name, hook in config.hooks.items():
        if hook.verify == "required" and not hook.secrets:
            cure = "Set XTND_WEBHOOK_SECRET to the hook's secret, or list it under secrets or secret_files."
            yield _finding(
                ("hooks", name), f"the hook {name!r} has no secret to verify deliveries with", cure
            )


def _shops(config: Config) -> Iterator[Located]:
    """Several shops without a decision about them, and a hook that would be of none."""
    by_shop: dict[str | None, str] = {}
    for name, hook in config.hooks.items():
        by_shop.setdefault(hook.shop, name)
        if config.mirror.key_by_shop and hook.shop is None:
            what = f"mirror.key_by_shop is true, and the hook {name!r} names no shop"
            yield _finding(("hooks", name), what, "Add shop: and the name of the shop that posts to it.")
    if len(by_shop) > 1 and config.mirror.key_by_shop is None:
        named = " and ".join(f"{hook!r} ({shop or 'which names no shop'})" for shop, hook in by_shop.items())
        cure = (
            "Write mirror: {key_by_shop: true}, which puts a column shop first in every key; or false, and "
            "what has one key, such as the order number 9001 of either shop, is one row."
        )
        what = f"the hooks {named} are of several shops, and it is not decided whether tables tell them apart"
        yield _finding(("hooks", list(by_shop.values())[1]), what, cure)


def _kafka(config: Config) -> Iterator[Located]:
    kafka = config.kafka
    if not kafka.servers or any(not _is_server(server) for server in kafka.servers):
        cure = "Write host:port, several separated by commas."
        yield _finding(
            ("kafka", "bootstrap_servers"), f"{kafka.bootstrap_servers!r} is no list of servers", cure
        )
    if kafka.security_protocol.startswith("SASL") and not (
        kafka.sasl_mechanism and kafka.sasl_username and kafka.sasl_password
    ):
        cure = "Set sasl_mechanism, sasl_username and sasl_password."
        yield _finding(("kafka", "security_protocol"), f"{kafka.security_protocol} needs credentials", cure)
    if config.topics.retention_hours == 0:
        what = "a retention of 0 hours deletes records before they are mirrored"
        yield _finding(("topics", "retention_hours"), what, "Write hours, or -1 for no limit.")
    if config.topics.min_insync_replicas > config.topics.replication_factor:
        what = "min_insync_replicas is above replication_factor: no write could ever be acknowledged"
        yield _finding(("topics", "min_insync_replicas"), what, "Lower it, or raise replication_factor.")


def _is_server(server: str) -> bool:
    host, _, port = server.rpartition(":")
    return bool(host) and port.isdigit() and 0 < int(port) < 65536  # noqa: PLR2004 - the range of ports


def _database(config: Config) -> Iterator[Located]:
    if found := database_url.fault(config.database.url.get_secret_value()):
        what, cure = found
        yield _finding(("database", "url"), f"database.url (DATABASE_URL) {what}", cure)


def _families(config: Config) -> Iterator[Located]:
    claimed: dict[str, str] = {}
    for owner, action, _ in config.actions():
        if first := claimed.get(action):
            what = f"the action {action!r} is in two families, {first!r} and {owner!r}"
            yield _finding(("topics", "families", owner, "actions", action), what, "Remove one of them.")
        claimed.setdefault(action, owner)
    if UNROUTED in config.topics.families:
        what = f"the family {UNROUTED!r} is that of actions which no other claims; its own are never read"
        yield _finding(("topics", "families", UNROUTED), what, "Give the family another name.")
    yield from _topic_names(config.topics)


def _topic_names(topics: Topics) -> Iterator[Located]:
    """Every topic is read once, by who reads that family; Kafka holds a dot and a _ for the same."""
    named: list[tuple[Location, str]] = [
        (("topics", "unrouted"), topics.unrouted),
        (("topics", "dead_letters"), topics.dead_letters),
        *((("topics", "families", name), family.topic or name) for name, family in topics.families.items()),
    ]
    seen: dict[str, str] = {}
    for place, part in named:
        other = seen.get(part.replace(".", "_"))
        seen.setdefault(part.replace(".", "_"), part)
        if other is not None:
            same = "is used more than once" if other == part else f"is the same to Kafka as {other!r}"
            yield _finding(place, f"the topic name {part!r} {same}", "Give each its own name with topic.")
        if (topics.prefix + part).startswith("__"):
            what = f"the topic name {topics.prefix + part!r} is of those that Kafka keeps for itself"
            yield _finding(place, what, "Choose a name or a prefix that does not start with __.")
    if topics.prefix in topics.former_prefixes:
        what = f"{topics.prefix!r} is the prefix of today"
        yield _finding(("topics", "former_prefixes"), what, "List only prefixes that are used no more.")


def _allowed_families(config: Config) -> Iterator[Located]:
    known = {*config.topics.families, UNROUTED}
    for name, hook in config.hooks.items():
        for family in hook.families or ():
            if family not in known:
                what = f"the family {family!r} is not in topics.yaml"
                yield _finding(("hooks", name, "families"), what, _nearest(family, known))


def _table(config: Config, name: str, table: Table) -> Iterator[Located]:
    at = ("tables", name)
    known_actions = {action for _, action, _ in config.actions()}
    for action in table.actions:
        if action not in known_actions:
            what = f"the action {action!r} is in no family of topics.yaml"
            yield _finding((*at, "actions"), what, _nearest(action, known_actions))
    kind = table_kinds.KINDS[table.kind]
    if not kind.key and not table.key:
        what = f"the {table.kind} table {name!r} has no key"
        yield _finding(at, what, "Say under key what identifies a row.")
    if kind.key and table.key:
        what = f"a {table.kind} table's key is always {', '.join(kind.key)}"
        yield _finding((*at, "key"), what, "Move these to columns.")
    for key, source in table.key.items():
        yield from _source((*at, "key", key), table, source)
    for column, settings in table.columns.items():
        yield from _source((*at, "columns", column), table, settings)
        yield from _column((*at, "columns", column), table, settings)
    yield from names.columns(at, table, by_shop=config.shops is not None)


def _source(at: Location, table: Table, source: Source) -> Iterator[Located]:
    given = source.given()
    counts = isinstance(source, Column) and source.rule == "count"
    if counts and given:
        yield _finding(at, "a count takes no value", f"Remove {given[0]}.")
    if not counts and len(given) != 1:
        sources = " and ".join(given) or "none"
        cure = "Give exactly one of path, constant, by_action, event."
        yield _finding(at, f"a value comes from one place, here it is {sources}", cure)
    per_action = [*(source.by_action or ()), *(source.path if isinstance(source.path, dict) else ())]
    named = [*per_action, *(source.on or () if isinstance(source, Column) else ())]
    for action in named:
        if action not in table.actions:
            what = f"the action {action!r} does not feed this table"
            yield _finding(at, what, _nearest(action, table.actions))
    for name in given:
        if getattr(source, name) in ((), {}) or (
            isinstance(source.path, dict) and () in source.path.values()
        ):
            yield _finding(at, f"{name} is empty", "Say where the value comes from.")
    if isinstance(source, KeyColumn) and per_action and set(per_action) != set(table.actions):
        missing = ", ".join(sorted(set(table.actions) - set(per_action)))
        yield _finding(at, f"the key has no value for {missing}", "A key needs one for every action.")
    if isinstance(source, KeyColumn) and source.event == "occurred_at":
        yield _finding(at, "a key is text, and occurred_at is not", "Take another source.")
    yield from _constants(at, source)


def _constants(at: Location, source: Source) -> Iterator[Located]:
    """Constants that no column can hold, or that are text and numbers mixed."""
    constants = [*(source.by_action or {}).values(), *([] if source.constant is None else [source.constant])]
    for constant in constants:
        if isinstance(constant, str) and len(constant) > MAX_CONSTANT_TEXT:
            what = f"the constant is longer than {MAX_CONSTANT_TEXT} letters"
            yield _finding(at, what, "Shorten it.")
        if isinstance(source, KeyColumn) and isinstance(constant, str) and not constant.strip():
            yield _finding(at, "the key is empty", "A key identifies something.")
        if isinstance(source, KeyColumn) and isinstance(constant, bool):
            yield _finding(at, f"a key is text, and {str(constant).lower()} is not", "Put it in quotes.")
    types = {constant_type(constant) for constant in constants}
    if isinstance(source, Column) and source.type is None and len(types) > 1:
        kinds = " and ".join(name for type_, name in CONSTANTS.items() if type_ in types)
        yield _finding(at, f"the values are {kinds} mixed", "Put all in quotes.")


def _column(at: Location, table: Table, column: Column) -> Iterator[Located]:
    folds = table_kinds.KINDS[table.kind].folds
    if folds and column.rule is None:
        yield _finding(at, "the column has no rule", "Give rule: latest, earliest, count, min or max.")
    if not folds and (column.rule or column.on):
        what = f"a {table.kind} row holds its own event's values, so no rule or on"
        yield _finding(at, what, "Remove it.")
    if column.rule == "count" and column.type not in (None, "integer"):
        yield _finding(at, f"a count is an integer, not {column.type}", "Remove type.")
    if column.event == "occurred_at" and column.type not in (None, "timestamp"):
        yield _finding(at, f"occurred_at is a timestamp, not {column.type}", "Remove type.")
    if column.event not in (None, "occurred_at") and column.type not in (None, "text"):
        yield _finding(at, f"{column.event} is text, not {column.type}", "Remove type.")
    if column.rule != "count" and column.type == "integer":
        yield _finding(at, "only a count is an integer", "Write type: numeric.")
    if column.path is not None and column.type is None:
        yield _finding(
            at, "a value from a path needs a type", "Give type: text, numeric, timestamp or boolean."
        )
    constants = [*(column.by_action or {}).values(), *([] if column.constant is None else [column.constant])]
    for constant in constants:
        actual = constant_type(constant)
        if (column.type or actual) != actual:
            yield _finding(at, f"{constant!r} is {actual}, not {column.type}", f"Write type: {actual}.")
