"""The whole way over a Kafka that asks for TLS and a password."""

import asyncio
import json
import os
import subprocess
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ScramMechanism, UserScramCredentialUpsertion
from sqlalchemy import text

from connector.config import DatabaseSettings
from connector.kafka.publisher import Publisher
from connector.kafka.record import Record
from connector.local import kafka_jars
from connector.local.broker import KafkaBroker
from connector.local.ports import free_port
from connector.mirror import database
from tests.conftest import MakeConfig
from tests.gateways import delivery, notification, post, until
from tests.processes import Connector
from tests.servers import NO_KAFKA

ROOT = Path(__file__).parents[2]
SECRET = "a secret of this test"
PASSWORD = "kafka-pa55word"
SECURED = """
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port},\
SECURE://127.0.0.1:{secure},TLS://127.0.0.1:{tls},LOGIN://127.0.0.1:{login}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},\
SECURE://127.0.0.1:{secure},TLS://127.0.0.1:{tls},LOGIN://127.0.0.1:{login}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,\
SECURE:SASL_SSL,TLS:SSL,LOGIN:SASL_PLAINTEXT
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
listener.name.secure.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule \
required user_connector="{password}";
listener.name.secure.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.login.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule \
required user_connector="{password}";
listener.name.login.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.type=PEM
ssl.keystore.location={folder}/server.pem
ssl.client.auth=none
"""


class Secured(NamedTuple):
    """Where the listeners are, and the certificate that vouches for the broker."""

    plain: str
    secure: str
    tls: str
    login: str
    certificate: Path


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """A broker with listeners for TLS, a login, and both."""
    if not kafka_jars.kafka_is_possible():
        pytest.skip(NO_KAFKA)
    folder = tmp_path_factory.mktemp("secured")
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "ca.pem")]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names, *files],
        check=True,
        capture_output=True,
    )
    (folder / "server.pem").write_text((folder / "key.pem").read_text() + (folder / "ca.pem").read_text())
    broker = KafkaBroker(folder, heap="384m")
    ports = {name: free_port() for name in ("secure", "tls", "login")}
    broker.settings = SECURED.format(folder=folder, password=PASSWORD, **ports, **broker._chosen_ports())
    broker.start()
    try:
        broker.wait_ready(90)
        with KafkaAdminClient(bootstrap_servers=broker.bootstrap_servers) as admin:
            user = UserScramCredentialUpsertion("connector", ScramMechanism.SCRAM_SHA_512, PASSWORD)
            assert admin.alter_user_scram_credentials([user]) == {"connector": None}
        addresses = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
        yield Secured(broker.bootstrap_servers, **addresses, certificate=folder / "ca.pem")
    finally:
        broker.stop()


def start(part: str, environment: dict[str, str], log: Path) -> Connector:
    return Connector([part], cwd=ROOT, env=environment, stdout=log)


def ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as answer:
            return "warnings" not in json.loads(answer.read())
    except OSError:
        return False


def test_a_delivery_goes_the_whole_way_over_tls_and_sasl(secured: Secured, tmp_path: Path) -> None:
    server, certificate = secured.secure, secured.certificate
    port, gateway_admin, worker_admin = free_port(), free_port(), free_port()
    config = tmp_path / "config"
    config.mkdir()
    for file in (ROOT / "config").iterdir():
        (config / file.name).write_text(file.read_text())
    shipped = (config / "connector.yaml").read_text()
    for commented in ("sasl_mechanism", "sasl_username", "sasl_password", "ssl_ca_file"):
        shipped = shipped.replace(f"# {commented}:", f"{commented}:")
    shipped = shipped.replace("SCRAM-SHA-512       #", "PLAIN #").replace(
        "/etc/ssl/kafka-ca.pem", str(certificate)
    )
    shipped = shipped.replace("port: 8080", f"port: {port}").replace(
        "admin_port: 8081", f"admin_port: {gateway_admin}"
    )
    shipped = shipped.replace("admin_port: 8082", f"admin_port: {worker_admin}")
    (config / "connector.yaml").write_text(shipped)
    url = f"sqlite:///{tmp_path}/mirror.db"
    environment = os.environ | {
        "XTND_CONFIG_DIR": str(config),
        "XTND_DATA_DIR": str(tmp_path),
        "XTND_WEBHOOK_SECRET": SECRET,
        "KAFKA_BOOTSTRAP_SERVERS": server,
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_PASSWORD": PASSWORD,
        "DATABASE_URL": url,
    }
    log = tmp_path / "log"
    assert start("topics", environment, log).wait(120) == 0, log.read_text()
    wrong = environment | {"KAFKA_PASSWORD": "wrong"}
    refused = start("topics", wrong, tmp_path / "wrong")  # tried for half a minute, beside all the rest
    processes = [start(part, environment, log) for part in ("gateway", "worker")]
    try:
        until(lambda: ready(gateway_admin) and ready(worker_admin), log.name)
        number = uuid.uuid4().hex[:8]
        assert post(port, delivery(notification(number)), SECRET).status == 202
        engine = database.connect(DatabaseSettings.model_validate({"url": url}))

        def mirrored() -> bool:
            with database.transaction(engine) as connection:
                found = connection.execute(text("SELECT order_number FROM orders")).fetchall()
                return (number,) in [tuple(row) for row in found]

        until(mirrored, "the row is there")
        engine.dispose()
    finally:
        for process in processes:
            process.terminate()
            process.wait(60)
    assert PASSWORD not in log.read_text()
    assert SECRET not in log.read_text()
    assert refused.wait(120) == 1
    assert "wrong" not in (tmp_path / "wrong").read_text()


def published(config: Any) -> str | None:
    """Publish a record; gives what is wrong where there is no producer."""

    async def publish() -> str | None:
        publisher = Publisher(config, ["secured"])
        begun = publisher.trouble()
        publisher.start()
        try:
            async with asyncio.timeout(60):
                while publisher.trouble() == begun:  # noqa: ASYNC110 - it has no event
                    await asyncio.sleep(0.01)
            if (trouble := publisher.trouble()) is None:
                await publisher.publish([Record("secured", b"1", b"1", [], "orders")])
            return trouble
        finally:
            await publisher.close(3)

    return asyncio.run(publish())


@pytest.fixture(scope="module")
def topic(secured: Secured) -> None:
    with KafkaAdminClient(bootstrap_servers=secured.plain) as admin:
        admin.create_topics({"secured": {"num_partitions": 1, "replication_factor": 1}})


@pytest.mark.parametrize(
    ("listener", "protocol", "mechanism"),
    [
        ("tls", "SSL", None),
        ("login", "SASL_PLAINTEXT", "PLAIN"),
        ("login", "SASL_PLAINTEXT", "SCRAM-SHA-512"),
        ("secure", "SASL_SSL", "SCRAM-SHA-512"),
    ],
)
@pytest.mark.usefixtures("topic")
def test_the_publisher_logs_in_and_says_what_is_wrong_when_it_cannot(
    secured: Secured, make_config: MakeConfig, listener: str, protocol: str, mechanism: str | None
) -> None:
    address = getattr(secured, listener)

    def config(**changes: object) -> Any:
        login = {"sasl_mechanism": mechanism, "sasl_username": "connector", "sasl_password": PASSWORD}
        kafka = login if mechanism else {}
        kafka |= {"ssl_ca_file": str(secured.certificate)} if protocol.endswith("SSL") else {}
        kafka |= {"security_protocol": protocol} | changes
        overrides = {f"kafka.{name}": value for name, value in kafka.items()}
        return make_config(overrides, KAFKA_BOOTSTRAP_SERVERS=address)

    assert published(config()) is None
    if mechanism:
        refused = published(config(sasl_password="not it"))
        assert refused is not None
        assert refused.startswith(f"Kafka at {address} refuses the login: ")
        assert refused.endswith(
            "Fix: kafka.sasl_mechanism, sasl_username and sasl_password in connector.yaml."
        )
        assert "not it" not in refused
    if protocol.endswith("SSL"):
        distrusted = published(config(ssl_ca_file=None))
        assert distrusted is not None
        assert distrusted.startswith(f"Kafka at {address} cannot be reached by TLS: ")
        assert distrusted.endswith("Fix: kafka.security_protocol and ssl_ca_file in connector.yaml.")
