"""The shape of the configuration: frozen models that refuse unknown keys and wrong types.

Option names are nouns with their unit (``_seconds``, ``_bytes``, ``_hours``).
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, PrivateAttr, SecretStr

from connector.config.source_models import SourceSettings
from connector.config.table_models import Table, View
from connector.config.topic_models import ActionRoute, Topics
from connector.config.yaml_types import (
    HookName,
    HostName,
    Model,
    Name,
    Port,
    SchemaName,
    Seconds,
    Shop,
)
from connector.errors import Finding

# What the publisher may hold: more of one delivery could not go out together.
MOST_EXPANDED_BYTES = 67_108_864


class HookSettings(Model):
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


class KafkaSettings(Model):
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


class DatabaseSettings(Model):
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


class RetentionSettings(Model):
    """What ``connector archive`` takes out of the ledger, and where to."""

    # How many whole months before the present one stay in the ledger.
    months: int = Field(ge=1, le=1200)
    # A folder, or a URL of fsspec such as s3://bucket/folder; its login is that of fsspec's environment.
    archive: str = Field(min_length=1)


class MirrorSettings(Model):
    """What holds for all tables."""

    # Whether a column ``shop`` is first in every key and last in every view; None: not decided.
    key_by_shop: bool | None = None
    # After how many days the worker removes dead letters that were replayed or discarded, sweeps (but the
    # newest), and what audits found (but the newest); None: never.
    dead_letter_retention_days: int | None = Field(None, ge=1, le=36_500)
    sweep_retention_days: int | None = Field(None, ge=1, le=36_500)
    drift_retention_days: int | None = Field(None, ge=1, le=36_500)
    # None: what events say stays in the ledger.
    retention: RetentionSettings | None = None


class GatewaySettings(Model):
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


class RehearsalSettings(Model):
    """What a changed mapping is tried on before it takes effect: the newest events of each action."""

    events_per_action: int = Field(200, ge=1, le=10_000)
    # Of an action's events that fitted the former mapping; with more refused, the worker does not start.
    max_refused_share: Annotated[float, Field(ge=0, le=1)] = 0.05


class WorkerSettings(Model):
    group: str = Field("xtnd-connector", min_length=1)
    admin_host: str = "127.0.0.1"
    admin_port: Port = 8082
    admin_hosts: tuple[HostName, ...] = ()
    max_batch_events: int = Field(2000, ge=1, le=20_000)
    database_connections: int = Field(4, ge=1, le=64)
    session_timeout_seconds: Seconds = 12
    max_poll_interval_seconds: Seconds = 604_800
    watchdog_seconds: Seconds = 120
    rehearsal: RehearsalSettings = RehearsalSettings()


class HydratorSettings(Model):
    admin_host: str = "127.0.0.1"
    admin_port: Port = 8083
    admin_hosts: tuple[HostName, ...] = ()


class LoggingSettings(Model):
    """What gateway, worker and hydrator log of their own; libraries log their warnings and errors."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


class Config(Model):
    """Everything that a process needs to know, checked as a whole."""

    hooks: dict[HookName, HookSettings] = Field(min_length=1)
    kafka: KafkaSettings
    database: DatabaseSettings
    mirror: MirrorSettings = MirrorSettings()
    gateway: GatewaySettings = GatewaySettings()
    worker: WorkerSettings = WorkerSettings()
    hydrator: HydratorSettings = HydratorSettings()
    logging: LoggingSettings = LoggingSettings()
    topics: Topics
    tables: dict[Name, Table] = Field(min_length=1)
    views: dict[Name, View] = Field(default_factory=dict)
    # Where whole records are fetched; None while no address is set (XTND_API_URL).
    sources: SourceSettings | None = None
    # Whose records a source has that is off: what was fetched stays theirs.
    _shop_of_source: tuple[str, str] | None = PrivateAttr(default=None)
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

    @property
    def shop_of_source(self) -> tuple[str, str] | None:
        """The source and its shop, also while it is off; None where it names none or tables have none."""
        if not self.mirror.key_by_shop:
            return None
        if self.sources is None:
            return self._shop_of_source
        return None if self.sources.shop is None else (self.sources.name, self.sources.shop)

    def with_shop_of_source(self, given: tuple[str, str] | None) -> Self:
        """This configuration, with the ``shop_of_source`` of a source that is off."""
        self._shop_of_source = given
        return self

    def actions(self) -> Iterator[tuple[str, str, ActionRoute]]:
        """Every (family, action, route) in the order of the YAML."""
        for family, settings in self.topics.families.items():
            for action, route in settings.actions.items():
                yield family, action, route
