"""The Dockerfile and the compose file, read as text: no Docker engine runs where the tests do."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from connector import config
from connector.config import models
from connector.local.kafka_jars import KAFKA_VERSION

ROOT = Path(__file__).parents[2]
OURS = ("topics", "gateway", "worker", "hydrator", "archive")
OF_THE_MIRROR = {"worker", "hydrator", "archive"}
MONITORING = ("prometheus", "grafana")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


@pytest.fixture(scope="module")
def dockerfile() -> list[str]:
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_only_the_gateways_public_port_is_published_beyond_this_host(compose: dict[str, Any]) -> None:
    published = {name: service.get("ports", []) for name, service in compose["services"].items()}
    assert {name: ports for name, ports in published.items() if ports} == {
        "gateway": ["8080:8080"],
        "postgres": ["${MIRROR_ADDRESS:-127.0.0.1:5432}:5432"],
        "prometheus": ["127.0.0.1:9090:9090"],
        "grafana": ["127.0.0.1:3000:3000"],
    }


def test_workers_can_be_scaled(compose: dict[str, Any]) -> None:
    worker = compose["services"]["worker"]
    assert not {"container_name", "ports", "hostname"} & worker.keys()
    assert all(volume.endswith(":ro") for volume in worker["volumes"])


def test_the_configuration_is_mounted_and_not_in_the_image(
    compose: dict[str, Any], dockerfile: list[str]
) -> None:
    for name in OURS:
        service = compose["services"][name]
        assert "./config:/etc/xtnd-connector:ro" in service["volumes"]
        assert service["command"][-2:] == ["--config", "/etc/xtnd-connector"]
    assert [line for line in dockerfile if line.startswith("COPY config")] == ["COPY config config"]


def test_every_variable_that_the_configuration_names_is_passed_through(compose: dict[str, Any]) -> None:
    named = {
        name
        for file in (ROOT / "config").glob("*.yaml")
        for name in re.findall(r"\$\{([A-Z][A-Z_]+)", file.read_text())
        if name != "VAR"  # the example of the first line
    }
    passed: dict[str, set[str]] = {}
    for service in OURS:
        for name, value in compose["services"][service]["environment"].items():
            passed.setdefault(name, set()).add(value)
    assert named <= passed.keys()
    decided = {"XTND_ADMIN_HOST", "XTND_DATA_DIR"}  # these say where things are within a container
    for name in named - decided:
        assert all(value.startswith(f"${{{name}") for value in passed[name]), name


def test_logs_are_bounded(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}


def test_every_file_that_is_mounted_is_there(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for volume in service.get("volumes", ()):
            if volume.startswith("./"):
                assert (ROOT / volume.split(":")[0]).exists(), volume


def test_prometheus_finds_the_services_at_their_admin_ports(compose: dict[str, Any]) -> None:
    settings = config.load(ROOT / "config", {}, with_secrets=False)
    prometheus = yaml.safe_load((ROOT / "ops" / "prometheus.yml").read_text())
    jobs = {job["job_name"]: job["dns_sd_configs"][0] for job in prometheus["scrape_configs"]}
    for name in ("gateway", "worker", "hydrator"):
        found = jobs.pop(f"xtnd-{name}")
        assert found["names"] == [name]
        assert found["port"] == getattr(settings, name).admin_port
    assert not jobs
    assert prometheus["rule_files"] == ["alerts.yml"]
    for name in MONITORING:
        assert compose["services"][name]["profiles"] == ["monitoring"]
    source = yaml.safe_load((ROOT / "ops" / "grafana" / "datasources.yml").read_text())["datasources"][0]
    assert source["url"] == "http://prometheus:9090"


def test_no_secret_is_written_down(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            if "SECRET" in name or "PASSWORD" in name:
                assert re.fullmatch(r"\$\{[A-Z_]+(:?\?.+|:-)\}", value), name
            if name == "DATABASE_URL":
                assert "${POSTGRES_PASSWORD:?" in value


def test_our_processes_cannot_write_but_to_volumes_and_gain_no_rights(compose: dict[str, Any]) -> None:
    for name in (*OURS, *MONITORING):
        service = compose["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
    for name in OURS:
        service = compose["services"][name]
        assert service["tmpfs"] == ["/tmp"]
        assert "user" not in service


def test_everything_that_runs_on_is_restarted_and_watched(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        if name == "topics":
            assert service["restart"] == "on-failure"
        elif name == "archive":  # a command, which ends
            assert (service["restart"], service["profiles"]) == ("no", [name])
        else:
            assert service["restart"] == "unless-stopped"
        if name not in OURS:  # ours have the image's health check
            assert service["healthcheck"]["test"]


def test_topics_come_before_those_who_use_them(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert services["topics"]["depends_on"] == {"kafka": {"condition": "service_healthy"}}
    for name in ("gateway", "worker"):
        assert services[name]["depends_on"]["topics"] == {"condition": "service_completed_successfully"}
    assert services["worker"]["depends_on"]["postgres"] == {"condition": "service_healthy"}


def test_what_must_outlive_a_container_lies_on_a_declared_volume(compose: dict[str, Any]) -> None:
    used = {
        volume.split(":")[0]
        for service in compose["services"].values()
        for volume in service.get("volumes", [])
        if not volume.endswith(":ro")
    }
    assert (
        used
        == compose["volumes"].keys()
        == {
            "kafka-data",
            "postgres-data",
            "gateway-data",
            "archive-data",
            "prometheus-data",
        }
    )


def test_only_gateway_and_hydrator_can_reach_out(compose: dict[str, Any]) -> None:
    assert compose["networks"]["inside"] == {"internal": True}
    masquerade = "com.docker.network.bridge.enable_ip_masquerade"
    assert compose["networks"]["local"] == {"driver_opts": {masquerade: "false"}}
    for name in ("kafka", "worker", "topics", "archive"):
        assert compose["services"][name]["networks"] == ["inside"]
    for name in ("postgres", *MONITORING):
        assert compose["services"][name]["networks"] == ["inside", "local"]


def test_images_are_pinned_and_kafka_is_the_version_that_the_tests_run(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert re.search(r":v?\d+\.\d+(\.\d+)?(-[a-z]+)?$", service["image"])
    assert compose["services"]["kafka"]["image"] == f"apache/kafka:{KAFKA_VERSION}"


def test_the_image_is_pinned_slim_and_not_root(dockerfile: list[str]) -> None:
    bases = [line.split()[1] for line in dockerfile if line.startswith("FROM")]
    assert len(bases) == 2
    assert all(re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", base) for base in bases)
    (user,) = [line.split()[1] for line in dockerfile if line.startswith("USER")]
    assert all(int(part) > 0 for part in user.split(":"))


def test_the_image_installs_pinned_packages_with_hashes_only(dockerfile: list[str]) -> None:
    installs = [line for line in dockerfile if "pip install" in line]
    assert len(installs) == 2
    assert "--require-hashes" in installs[0]
    assert "archive.lock" in installs[0]
    assert "--no-deps" in installs[1]
    assert "--no-build-isolation" in installs[1]


def test_the_process_is_not_wrapped_in_a_shell(dockerfile: list[str]) -> None:
    for instruction in ("ENTRYPOINT", "CMD"):
        (line,) = [line for line in dockerfile if line.startswith(f"{instruction} ")]
        assert line.split(maxsplit=1)[1].startswith("[")
    (health,) = [line for line in dockerfile if line.startswith("HEALTHCHECK")]
    assert 'CMD ["python"' in health


def test_the_build_context_holds_neither_data_nor_secrets() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    allowed = {line[1:] for line in lines if line.startswith("!")}
    assert allowed == {"requirements/archive.lock", "pyproject.toml", "README.md", "connector", "config"}


def test_lock_files_name_no_index_and_hash_everything() -> None:
    for lock in (ROOT / "requirements").glob("*.lock"):
        text = lock.read_text()
        assert "://" not in text, lock.name
        assert "index-url" not in text
        assert "find-links" not in text
        for requirement in re.split(r"\n(?=\S)", text.strip()):
            assert "--hash=sha256:" in requirement, requirement.splitlines()[0]


def test_what_runs_has_the_versions_that_are_tested() -> None:
    pinned = {
        lock.stem: set(re.findall(r"^(\S+==\S+)", lock.read_text(), re.MULTILINE))
        for lock in (ROOT / "requirements").glob("*.lock")
    }
    for name, versions in pinned.items():
        assert pinned["runtime"] <= versions <= pinned["dev"], name
    names = {one.partition("==")[0] for one in pinned["archive"] - pinned["runtime"]}
    assert names == {"pyarrow", "fsspec"}


def test_archives_are_on_a_volume_that_workers_read_and_one_command_writes(
    compose: dict[str, Any], dockerfile: list[str]
) -> None:
    shipped = (ROOT / "config" / "connector.yaml").read_text()
    # The example of the file, as somebody takes it over.
    (example,) = re.findall(r"^# (retention: .*)", shipped, re.MULTILINE)
    texts = {name: (ROOT / "config" / name).read_text() for name in config.FILES}
    texts["connector.yaml"] = f"{shipped}\nmirror:\n  {example}\n"
    for name, mounted in (("worker", "archive-data:/archive:ro"), ("archive", "archive-data:/archive")):
        service = compose["services"][name]
        settings = config.parse(texts, _variables(service), {}, with_secrets=False)
        assert settings.mirror.retention == models.RetentionSettings(months=12, archive="/archive")
        assert mounted in service["volumes"]
    # A volume has the rights of the folder in the image.
    assert any("install -d -o connector -g connector /data /archive" in line for line in dockerfile)
    assert any("XTND_ARCHIVE=/archive" in line for line in dockerfile)


def test_every_service_has_a_limit_of_memory(compose: dict[str, Any]) -> None:
    limits = {name: service.get("mem_limit") for name, service in compose["services"].items()}
    assert all(re.fullmatch(r"[1-9][0-9]*[mg]", limit or "") for limit in limits.values()), limits


def _variables(service: dict[str, Any]) -> dict[str, str]:
    """What the process finds in its environment when all that must be set is set to ``x``."""
    given = service.get("environment", {})
    return {
        name: re.sub(r"\$\{\w+:-(.*?)\}", r"\1", re.sub(r"\$\{\w+:?\?.*?\}", "x", given[name]))
        for name in given
    }


def test_each_process_knows_only_the_secrets_that_it_uses(compose: dict[str, Any]) -> None:
    services = {
        name: " ".join(f"{k}={v}" for k, v in compose["services"][name]["environment"].items())
        for name in OURS
    }
    holders = {
        secret: {name for name, text in services.items() if secret in text}
        for secret in ("POSTGRES_PASSWORD", "WEBHOOK_SECRET", "WEBHOOK_FORMER_SECRET", "API_PASSWORD")
    }
    assert holders == {
        "POSTGRES_PASSWORD": OF_THE_MIRROR,
        "WEBHOOK_SECRET": {"gateway"},
        "WEBHOOK_FORMER_SECRET": {"gateway"},
        "API_PASSWORD": {"hydrator"},
    }


def test_each_process_starts_with_the_variables_that_it_gets(compose: dict[str, Any]) -> None:
    for name in OURS:
        variables = _variables(compose["services"][name])
        settings = config.load(ROOT / "config", variables, with_secrets=name == "gateway")
        assert settings.kafka.bootstrap_servers == "kafka:9092"
        assert ("postgres" in settings.database.url.get_secret_value()) == (name in OF_THE_MIRROR)


def test_prometheus_reaches_the_admin_ports_inside_of_compose_alone(compose: dict[str, Any]) -> None:
    for name in ("gateway", "worker", "hydrator"):
        service = compose["services"][name]
        inside = config.load(ROOT / "config", _variables(service), with_secrets=name == "gateway")
        assert getattr(inside, name).admin_host == "0.0.0.0"
        assert "inside" in service["networks"]
        elsewhere = config.load(ROOT / "config", {}, with_secrets=False)
        assert getattr(elsewhere, name).admin_host == "127.0.0.1"


def test_the_database_of_compose_makes_a_role_that_is_no_superuser(compose: dict[str, Any]) -> None:
    postgres = compose["services"]["postgres"]
    assert "POSTGRES_USER" not in postgres["environment"]  # the image's superuser is not the connector
    scripts = [volume for volume in postgres["volumes"] if "/docker-entrypoint-initdb.d/" in volume]
    assert scripts == sorted(scripts, key=lambda volume: volume.split(":")[1])
    names = [Path(volume.split(":")[0]).name for volume in scripts]
    assert names == ["connector-role.sql", "analyst-role.sql"]
    assert "//connector:" in compose["services"]["worker"]["environment"]["DATABASE_URL"]


class Override(yaml.SafeLoader):
    """YAML with Compose's own tags for what replaces a part instead of adding to it."""


Override.add_constructor("!reset", lambda _loader, _node: None)
Override.add_constructor("!override", lambda loader, node: loader.construct_mapping(node, deep=True))


@pytest.mark.parametrize("away", ["kafka", "postgres"])
def test_without_a_server_of_its_own_everything_that_uses_it_can_reach_out(
    away: str, compose: dict[str, Any]
) -> None:
    text = (ROOT / "ops" / "compose" / f"remote-{away}.yml").read_text()
    override = yaml.load(text, Override)
    changed = override["services"]
    assert changed.pop(away) is None
    assert override["volumes"] == {f"{away}-data": None}
    variable = {"kafka": "KAFKA_BOOTSTRAP_SERVERS", "postgres": "DATABASE_URL"}[away]
    for name in OURS:
        service, change = compose["services"][name], changed.get(name, {})
        if variable in service["environment"]:
            assert "outside" in change.get("networks", service["networks"]), name
        if away in service["depends_on"]:
            assert away not in (change["depends_on"] or {}), name
