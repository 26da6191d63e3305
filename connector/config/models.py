"""The shape of the configuration: frozen models that refuse unknown keys and wrong types.

Option names are nouns with their unit (``_seconds``, ``_bytes``, ``_hours``).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field, PrivateAttr, SecretStr

from connector.config import paths
from connector.errors import Finding

# Names of tables and columns: what both databases take without quoting.
NamePattern = r"^[a-z][a-z0-9_]{0,58}$"
SchemaPattern = r"^[A-Za-z_][A-Za-z0-9_]{0,62}$"
Name = Annotated[str, Field(pattern=NamePattern)]
SchemaName = Annotated[str, Field(pattern=SchemaPattern)]
TopicName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")]
TopicPrefix = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,100}$")]
# A dotted way into a notification's Details, as in ``Order.Row.Position`` (``paths``).
Path = Annotated[str, AfterValidator(paths.checked)]
TopicPattern = r"^[A-Za-z0-9._-]{1,200}$"
TopicPart = Annotated[str, Field(pattern=TopicPattern)]
HookPattern = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
HookName = Annotated[str, Field(pattern=HookPattern)]
# Nothing that SQL or a URL reads otherwise: a view may have it in its text.
ShopPattern = r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,62}[A-Za-z0-9]$|^[A-Za-z0-9]$"
Shop = Annotated[str, Field(pattern=ShopPattern)]
# The column that tells shops apart (``Mirror.key_by_shop``).
SHOP_COLUMN = "shop"
# What to write where a name does not match.
PATTERN_CURES = {
    NamePattern: "Write 1 to 59 of the letters a-z, digits and _, a letter first.",
    SchemaPattern: "Write 1 to 63 of the letters A-Z and a-z, digits and _, no digit first.",
    TopicPattern: "Write 1 to 200 letters, digits, points, _ and -.",
    HookPattern: "Write 1 to 64 letters, digits, _ and -, none of the last two first.",
    ShopPattern: "Write 1 to 64 letters, digits, blanks, points, _ and -, a letter or digit first and last.",
}
# One path, several of which the first that carries a value is taken, or one of these per action.
Paths = Path | tuple[Path, ...]
PathChoice = Paths | dict[str, Paths]
Port = Annotated[int, Field(ge=1, le=65535)]
HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,253}$")]
# In milliseconds it is at least one, and Kafka and PostgreSQL count them in 32 bits.
Seconds = Annotated[float, Field(ge=0.001, le=2_000_000)]
Scalar = bool | int | str

# What the publisher may hold: more of one delivery could not go out together.
MOST_EXPANDED_BYTES = 67_108_864

EventField = Literal["occurred_at", "event_id", "action", "hook"]
Rule = Literal["latest", "earliest", "count", "min", "max"]
ColumnType = Literal["text", "numeric", "timestamp", "boolean", "integer"]


def constant_type(constant: Scalar) -> ColumnType:
    """The type of column that a constant is written for."""
    if isinstance(constant, bool):
        return "boolean"
    return "numeric" if isinstance(constant, int) else "text"


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Hook(Model):
    """One registered webhook: ``/webhooks/<name>`` and what proves that a delivery is XTND's."""

    secrets: tuple[SecretStr, ...] = ()
    secret_files: tuple[str, ...] = ()
    verify: Literal["required", "off"] = "required"
    # Seconds between the first attempt and attempt 1, 2, 3 …; a higher attempt takes the last.
    retry_schedule_seconds: tuple[Annotated[float, Field(ge=0, le=1e9)], ...] = Field(
        (0, 60, 300), min_length=1
    )
    # The only families that this hook may bring; ``unrouted`` is what no family claims. None: all.
    families: tuple[str, ...] | None = Field(None, min_length=1)
    # Which shop posts to it; several hooks may be of one. Hooks that name none are of one shop.
    shop: Shop | None = None


class Kafka(Model):
    bootstrap_servers: str = Field(min_length=1)
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    ssl_ca_file: str | None = None
    ssl_certificate_file: str | None = None
    ssl_key_file: str | None = None
    request_timeout_seconds: Seconds = 30

    @property
    def servers(self) -> list[str]:
        """``host:port`` of every bootstrap server."""
        return [server.strip() for server in self.bootstrap_servers.split(",") if server.strip()]


class Database(Model):
    """Where the mirror lives; a SQLAlchemy URL, kept secret because it may hold a password."""

    url: SecretStr
    connect_timeout_seconds: Seconds = 5
    lock_timeout_seconds: Seconds = 20
    # On PostgreSQL: whether the worker's commits wait for the disk (``Sink``).
    synchronous_commit: bool = True
    # On PostgreSQL: where people read (by default the first of the search path), and where the connector's
    # own tables stand (by default the same name with _store; it may be the same schema).
    schema_name: SchemaName | None = Field(None, alias="schema")
    store_schema: SchemaName | None = None


class Mirror(Model):
    """What holds for all tables."""

    # Whether a column ``shop`` is first in every key and last in every view; None: not decided.
    key_by_shop: bool | None = None


class Gateway(Model):
    host: str = "0.0.0.0"  # noqa: S104 - the public listener; everything else listens on 127.0.0.1
    port: Port = 8080
    admin_host: str = "127.0.0.1"
    admin_port: Port = 8081
    # Names by which probes and scrapers may ask; IP addresses and localhost always pass.
    admin_hosts: tuple[HostName, ...] = ()
    ack_timeout_seconds: Seconds = 2
    request_deadline_seconds: Seconds = 10
    # How long an idle connection is kept for its next request; more than a load balancer keeps it.
    keep_alive_seconds: Seconds = 75
    max_body_bytes: int = Field(1_048_576, ge=1024)
    max_header_bytes: int = Field(32_768, ge=1024)
    max_key_bytes: int = Field(512, ge=1)
    max_json_depth: int = Field(32, ge=4, le=200)
    # What one delivery may become; beyond either it is parked as a whole, in one dead letter.
    max_notifications: int = Field(1000, ge=1, le=100_000)
    max_expanded_bytes: int = Field(16_777_216, ge=65_536, le=MOST_EXPANDED_BYTES)
    max_requests_in_flight: int = Field(512, ge=1)
    max_connections: int = Field(8192, ge=1)
    # Several gateways of one machine may share the port; the kernel spreads connections over them.
    reuse_port: bool = False
    # Where deliveries wait on disk while Kafka is away; one file per gateway process.
    spool_path: str = Field("data/spool.db", min_length=1)
    spool_max_bytes: int = Field(1_073_741_824, ge=1_048_576)


class Rehearsal(Model):
    """What a changed mapping is tried on before it takes effect: the newest events of each action."""

    events_per_action: int = Field(200, ge=1, le=10_000)
    # Of an action's events that fitted the former mapping; with more refused, the worker does not start.
    max_refused_share: Annotated[float, Field(ge=0, le=1)] = 0.05


class Worker(Model):
    group: str = Field("xtnd-connector", min_length=1)
    admin_host: str = "127.0.0.1"
    admin_port: Port = 8082
    admin_hosts: tuple[HostName, ...] = ()
    max_batch_events: int = Field(2000, ge=1, le=20_000)
    database_connections: int = Field(4, ge=1, le=64)
    session_timeout_seconds: Seconds = 12
    max_poll_interval_seconds: Seconds = 604_800
    watchdog_seconds: Seconds = 120
    rehearsal: Rehearsal = Rehearsal()


class ActionRoute(Model):
    """How an action's entity key is read: the values at the paths, joined with ``|``."""

    key: Path | tuple[Path, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.key,) if isinstance(self.key, str) else self.key


class Family(Model):
    topic: TopicPart | None = None
    partitions: int | None = Field(None, ge=1, le=1000)
    description: str = ""
    actions: dict[str, ActionRoute] = Field(min_length=1)


class Topics(Model):
    prefix: TopicPrefix = "xtnd."
    # What was published to before: full names, and prefixes of today's names. The worker reads these
    # topics too, where they exist.
    former_prefixes: tuple[TopicPrefix, ...] = ()
    former_topics: tuple[TopicName, ...] = ()
    partitions: int = Field(12, ge=1, le=1000)
    replication_factor: int = Field(1, ge=1, le=15)
    min_insync_replicas: int = Field(1, ge=1, le=15)
    retention_hours: int = Field(168, ge=-1, le=1_000_000_000)
    compression: Literal["lz4", "zstd"] = "lz4"
    max_message_bytes: int = Field(4_194_304, ge=1_048_576, le=2_147_483_647)
    unrouted: TopicPart = "unrouted"
    dead_letters: TopicPart = "dead-letters"
    families: dict[Name, Family] = Field(min_length=1)

    @property
    def topic_of_family(self) -> dict[str, str]:
        """Family → full topic name, in the order of the YAML."""
        return {name: self.prefix + (family.topic or name) for name, family in self.families.items()}

    @property
    def parts(self) -> list[str]:
        """The names of all topics, without the prefix."""
        families = [family.topic or name for name, family in self.families.items()]
        return [*families, self.unrouted, self.dead_letters]

    @property
    def today(self) -> list[str]:
        """Full names of all topics that are published to."""
        return [self.prefix + part for part in self.parts]

    @property
    def former(self) -> list[str]:
        """Full names of topics that are no longer published to and are still read; each once."""
        prefixed = [prefix + part for prefix in self.former_prefixes for part in self.parts]
        return [name for name in dict.fromkeys((*prefixed, *self.former_topics)) if name not in self.today]

    @property
    def unrouted_topic(self) -> str:
        return self.prefix + self.unrouted

    @property
    def dead_letter_topic(self) -> str:
        return self.prefix + self.dead_letters


class Source(Model):
    """Where a value comes from: exactly one of the four."""

    path: PathChoice | None = None
    constant: Scalar | None = None
    by_action: dict[str, Scalar] | None = None
    event: EventField | None = None
    description: str = ""
    # The column's name before: a column of the database that has it is renamed, and keeps its values.
    was: Name | None = None

    def given(self) -> list[str]:
        """Names of the sources that are written down."""
        return [
            name for name in ("path", "constant", "by_action", "event") if getattr(self, name) is not None
        ]


class KeyColumn(Source):
    """A part of a state table's primary key; always text."""


class Column(Source):
    rule: Rule | None = None
    type: ColumnType | None = None
    on: tuple[str, ...] | None = Field(None, min_length=1)


class Table(Model):
    """One table of the mirror: a row per entity (``state``) or per row object (``history``)."""

    kind: Literal["state", "history"] = "state"
    description: str = ""
    actions: tuple[str, ...] = Field(min_length=1)
    # One row per object found here; the path may name an object or an array of objects.
    each: Path | None = None
    key: dict[Name, KeyColumn] = Field(default_factory=dict)
    columns: dict[Name, Column] = Field(default_factory=dict)
    # Columns without which a row object gives no row.
    requires: tuple[Name, ...] = ()
    indexes: tuple[tuple[Name, ...], ...] = ()
    # Its name before: a table of the database that has it is renamed with its view, and keeps its rows.
    was: Name | None = None

    @property
    def valued(self) -> dict[str, Source]:
        """Columns of the key and others, by name."""
        return {**self.key, **self.columns}


class View(Model):
    """A view: of a ``kind``, made from a table (``view_kinds.py``), or a ``select`` of one's own.

    ``movements``, ``intervals`` and ``daily`` read the column ``value`` of a history table, per ``per`` and
    in event order. ``lead_times`` gives the seconds between the instants ``steps`` of a state table.
    """

    description: str = ""
    kind: Literal["movements", "intervals", "daily", "lead_times"] = "movements"
    # It was written as ``movements_of`` before there were kinds.
    of: Name | None = Field(None, validation_alias=AliasChoices("of", "movements_of"))
    value: Name | None = None
    per: tuple[Name, ...] = ()
    steps: tuple[Name, ...] = ()
    # One text, or one for each database.
    select: str | dict[str, str] | None = None
    # What its columns hold, for those that the kind does not describe.
    columns: dict[Name, str] = Field(default_factory=dict)

    @property
    def durations(self) -> list[tuple[str, str, str]]:
        """(from, to, column of the seconds between): each step to the next, and the first to the last."""
        pairs = [*pairwise(self.steps), (self.steps[0], self.steps[-1])]
        return [
            (start, end, f"{start.removesuffix('_at')}_to_{end.removesuffix('_at')}_seconds")
            for start, end in dict.fromkeys(pairs)
        ]

    def text(self, dialect: str, shops: Mapping[str, str] | None = None) -> str | None:
        """The SQL of ``select`` for a database; None for a view of a kind.

        ``shops`` is ``Config.shops``. ``{shop}`` stands for the column of a table or view, ``{shop_of_hook}``
        for one that is worked out from a column ``hook``; neither is there where tables have no shop.
        """
        text = self.select[dialect] if isinstance(self.select, dict) else self.select
        if text is None:
            return None
        shop = of_hook = ""
        if shops is not None:
            named = "".join(f" WHEN '{hook}' THEN '{shop}'" for hook, shop in sorted(shops.items()))
            shop, of_hook = f", {SHOP_COLUMN}", f", CASE hook{named} ELSE hook END AS {SHOP_COLUMN}"
        return text.replace("{shop}", shop).replace("{shop_of_hook}", of_hook).strip().removesuffix(";")


class Config(Model):
    """Everything that a process needs to know, checked as a whole."""

    hooks: dict[HookName, Hook] = Field(min_length=1)
    kafka: Kafka
    database: Database
    mirror: Mirror = Mirror()
    gateway: Gateway = Gateway()
    worker: Worker = Worker()
    topics: Topics
    tables: dict[Name, Table] = Field(min_length=1)
    views: dict[Name, View] = Field(default_factory=dict)
    _warnings: tuple[Finding, ...] = PrivateAttr(default=())
    _where: Callable[[tuple[str | int, ...]], str] | None = PrivateAttr(default=None)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What works and is probably not meant; logged at start and shown by ``connector check``."""
        return self._warnings

    def with_warnings(
        self, found: Iterable[Finding], where: Callable[[tuple[str | int, ...]], str] | None = None
    ) -> Self:
        """This configuration, with warnings about what it was read from, and where each part stands."""
        self._warnings = tuple(found)
        self._where = where
        return self

    def where(self, *location: str | int) -> str:
        """``file:line`` of a part, as in ``where("tables", "orders", "key")``."""
        return self._where(location) if self._where else "configuration"

    @property
    def shops(self) -> dict[str, str] | None:
        """The shop of each hook; None where the tables do not tell shops apart."""
        if not self.mirror.key_by_shop:
            return None
        return {name: hook.shop for name, hook in self.hooks.items() if hook.shop is not None}

    def actions(self) -> Iterator[tuple[str, str, ActionRoute]]:
        """Every (family, action, route) in the order of the YAML."""
        for family, settings in self.topics.families.items():
            for action, route in settings.actions.items():
                yield family, action, route
