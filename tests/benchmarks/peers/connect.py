"""Kafka Connect with Debezium's JDBC sink: the Java way, set up by properties.

The jars come from Maven Central into the cache folder: Connect's own, and Debezium's as a plugin beside
them, as its users have it. Debezium 3.5.0 writes with UNNEST (3.4.0 does not have it yet).

Tried once each on 2 cores that a fault-test run was using too (load 7 to 10, so only CPU seconds per
million events compare, and those roughly), 60,000 events, 6 partitions: as below 81 and 75 (10,100 and
6,700 events/s: that is the noise); ``batch.size`` 10,000: 76, and 2,000: 117; one task: 117; without
UNNEST: 104. Without the reduction buffer the task dies, with UNNEST and with ``reWriteBatchedInserts``
alike, for both put a key twice into one statement; without the two it was not tried.

200,000 events, beside that same run, twice: 8,100 and 14,400 events/s, 70 and 59 CPU seconds per million,
at most 612 MB; Quix Streams in the same two turns: 10,800 and 15,400, 39 and 38, 196 MB. With
``batch.size`` 10,000 once: 6,600, 66 and 692 MB. An idle machine gives other rates.
"""

import json
import tempfile
import uuid
from pathlib import Path
from string import Template

from connector.local import kafka_jars
from connector.local.ports import free_port
from connector.local.processes import Child
from tests.benchmarks.peers import KEYS, TABLE, PeerBacklog, Table, carry
from tests.benchmarks.processes import Carried
from tests.servers import PostgresServer

NAME = "Kafka Connect Debezium JDBC sink"
DEBEZIUM_VERSION = "3.5.0.Final"
PARTITIONS = 6
JVM = ("-Xms512m", "-Xmx512m")
KILLED = "Task is being killed"  # Connect itself runs on without the task
JSON = "org.apache.kafka.connect.json.JsonConverter"
FIELDS = {
    "product_number": {"type": "string"},
    "warehouse": {"type": "string"},
    "balance": {"type": "int64"},
    "balance_as_of": {"type": "string", "name": "io.debezium.time.ZonedTimestamp"},
    "event_id": {"type": "string"},
    "version": {"type": "int64"},
}
WORKER = {
    "key.converter": "org.apache.kafka.connect.storage.StringConverter",
    "value.converter": JSON,
    "plugin.discovery": "service_load",
    "connector.client.config.override.policy": "All",
}
SINK = {
    "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
    "tasks.max": "2",
    "insert.mode": "upsert",
    "primary.key.mode": "record_key",
    "primary.key.fields": ",".join(KEYS),
    "schema.evolution": "none",
    "collection.name.format": TABLE,
    "batch.size": "5000",
    "use.reduction.buffer": "true",
    "dialect.postgres.unnest.insert.enabled": "true",
    "consumer.override.auto.offset.reset": "earliest",
    "consumer.override.max.poll.records": "5000",
    "consumer.override.max.partition.fetch.bytes": "8388608",
}
POM = Template("""<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>xtnd</groupId><artifactId>peer-jars</artifactId><version>1</version>
  <packaging>pom</packaging>
  <dependencies>$dependencies</dependencies>
</project>
""")
# What Connect brings itself would clash inside a plugin; drivers of other databases are not needed.
NOT_IN_PLUGIN = (
    "com.fasterxml.jackson.core:*",
    "org.apache.kafka:*",
    "org.slf4j:*",
    "com.oracle.database.jdbc:*",
    "com.mysql:*",
    "com.microsoft.sqlserver:*",
    "org.mariadb.jdbc:*",
)


def run(
    backlog: PeerBacklog,
    server: PostgresServer,
    database_url: str,
    folder: Path,
    *,
    jvm: tuple[str, ...] = JVM,
    **sink: str,
) -> Carried:
    """Carry the backlog once; ``sink`` are properties in place of ours."""
    jars = resolve_jars()
    java = kafka_jars.find_java()
    assert java is not None
    table = Table(database_url)
    url = table.url
    worker = {
        "bootstrap.servers": backlog.bootstrap,
        "plugin.path": str(jars / "plugins"),
        "listeners": f"http://127.0.0.1:{free_port()}",
        "offset.storage.file.filename": str(folder / "connect.offsets"),
        **WORKER,
    }
    connector = {
        "name": uuid.uuid4().hex,  # and so a consumer group of its own
        "topics": backlog.topic,
        "connection.url": f"jdbc:postgresql://{url.host}:{url.port}/{url.database}?reWriteBatchedInserts=true",
        "connection.username": str(url.username),
        "connection.password": "",
        "key.converter": JSON,
        "key.converter.schema.content": schema(*KEYS),
        "value.converter": JSON,
        "value.converter.schema.content": schema(*FIELDS),
        **SINK,
        **sink,
    }
    command = [
        *(java, "-cp", f"{jars / 'connect'}/*", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", *jvm),
        "org.apache.kafka.connect.cli.ConnectStandalone",
        *(
            _properties(folder / "worker.properties", worker),
            _properties(folder / "sink.properties", connector),
        ),
    ]
    return carry(Child("connect", command, folder / "connect.log"), backlog, table, server, killed=KILLED)


def schema(*names: str) -> str:
    """The schema that the converter gives each record, so that none has to carry it (in Kafka 4.2.2)."""
    fields = [{"field": name, "optional": False, **FIELDS[name]} for name in names]
    return json.dumps({"type": "struct", "optional": False, "fields": fields})


def resolve_jars() -> Path:
    """Give the folder with ``connect`` and ``plugins/debezium``, fetched at first use (about 60 MB)."""
    folder = kafka_jars.cache_folder().with_name(
        f"connect-{kafka_jars.KAFKA_VERSION}-debezium-{DEBEZIUM_VERSION}"
    )
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="connect-", dir=folder.parent) as scratch:
            made = Path(scratch, "jars")
            connect = _dependency("org.apache.kafka", "connect-runtime", kafka_jars.KAFKA_VERSION)
            logging = _dependency("org.slf4j", "slf4j-simple", kafka_jars.SLF4J_VERSION)
            debezium = _dependency("io.debezium", "debezium-connector-jdbc", DEBEZIUM_VERSION, *NOT_IN_PLUGIN)
            _fetch(connect + logging, Path(scratch), made / "connect")
            _fetch(debezium, Path(scratch), made / "plugins" / "debezium")
            made.rename(folder)
    return folder


def _dependency(group: str, artifact: str, version: str, *without: str) -> str:
    exclusions = "".join(
        f"<exclusion><groupId>{one}</groupId><artifactId>{other}</artifactId></exclusion>"
        for one, other in (name.split(":") for name in without)
    )
    return (
        f"<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>"
        f"<version>{version}</version><exclusions>{exclusions}</exclusions></dependency>"
    )


def _fetch(dependencies: str, project: Path, jars: Path) -> None:
    (project / "pom.xml").write_text(POM.substitute(dependencies=dependencies))
    kafka_jars.KafkaJars().run_maven(project, jars)


def _properties(file: Path, settings: dict[str, str]) -> str:
    file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    return str(file)
