"""The manifests of ops/kubernetes and the units of ops/systemd, read as text: neither runs here."""

import re
import shlex
from configparser import RawConfigParser
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from typer.main import get_command

from connector import cli, config
from tests.conftest import ROOT

KUBERNETES = sorted((ROOT / "ops" / "kubernetes").glob("*.yaml"))
UNITS = sorted((ROOT / "ops" / "systemd").glob("*.service"))
PORTS = {"gateway": 8081, "worker": 8082, "hydrator": 8083}
# Variables that stand in config/*.yaml, and those of Python and of the command line.
NAMED = set(
    re.findall(r"\$\{([A-Z_]+)", "".join(file.read_text() for file in (ROOT / "config").glob("*.yaml")))
)
OTHERS = {"XTND_CONFIG_DIR", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}


def manifests(kind: str) -> dict[str, dict[str, Any]]:
    """Documents of a kind, by component."""
    found = [one for file in KUBERNETES for one in yaml.safe_load_all(file.read_text())]
    return {
        one["metadata"]["labels"]["app.kubernetes.io/component"]: one for one in found if one["kind"] == kind
    }


WORKLOADS = {
    component: one["spec"]["template"]["spec"]
    for kind in ("Job", "Deployment", "StatefulSet")
    for component, one in manifests(kind).items()
}


@pytest.mark.parametrize("component", WORKLOADS)
def test_a_pod_cannot_write_but_to_volumes_and_gains_no_rights(component: str) -> None:
    pod = WORKLOADS[component]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"].keys() == {"memory"}


@pytest.mark.parametrize("component", WORKLOADS)
def test_a_pod_runs_a_command_and_takes_only_variables_that_there_are(component: str) -> None:
    (container,) = WORKLOADS[component]["containers"]
    assert container["args"] == [component, "--config", "/etc/xtnd-connector"]
    assert {one["name"] for one in container.get("env", ())} <= NAMED
    text = "".join(file.read_text() for file in KUBERNETES)
    assert set(re.findall(r"\b(?:XTND|KAFKA|DATABASE)_[A-Z_]+", text)) <= NAMED


def test_the_probes_ask_the_admin_ports_and_pods_listen_there() -> None:
    settings = config.load(ROOT / "config", {}, with_secrets=False)
    for component, port in PORTS.items():
        assert getattr(settings, component).admin_port == port
        (container,) = WORKLOADS[component]["containers"]
        assert {"name": "admin", "containerPort": port} in container["ports"]
        assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "admin"}
        assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "admin"}
        assert {"name": "XTND_ADMIN_HOST", "value": "0.0.0.0"} in container["env"]
        assert component in manifests("PodDisruptionBudget")


def test_a_spool_outlives_its_pod() -> None:
    gateway = manifests("StatefulSet")["gateway"]["spec"]
    (claim,) = gateway["volumeClaimTemplates"]
    assert gateway["persistentVolumeClaimRetentionPolicy"] == {
        "whenDeleted": "Retain",
        "whenScaled": "Retain",
    }
    (container,) = gateway["template"]["spec"]["containers"]
    mounts = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    (folder,) = [one["value"] for one in container["env"] if one["name"] == "XTND_DATA_DIR"]
    # Below the volume: its own folder is of root, and a gateway refuses a folder of another user.
    assert Path(folder).parent == Path(mounts[claim["metadata"]["name"]])


def test_kustomize_takes_every_manifest() -> None:
    (listed,) = [yaml.safe_load(file.read_text()) for file in KUBERNETES if "kustomization" in file.name]
    assert sorted(listed["resources"]) == [
        file.name for file in KUBERNETES if "kustomization" not in file.name
    ]


def unit(file: Path) -> dict[str, list[str]]:
    """The settings of ``[Service]``, each with its values."""
    values: dict[str, list[str]] = {}
    section = file.read_text().split("[Service]\n")[1].split("\n[")[0]
    for line in section.splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.partition("=")
            values.setdefault(name, []).append(value)
    return values


@pytest.mark.parametrize("file", UNITS, ids=[file.stem for file in UNITS])
def test_a_unit_runs_a_command_with_its_options_and_variables(file: Path) -> None:
    settings = unit(file)
    (line,) = settings["ExecStart"]
    _, name, *options = shlex.split(line)
    command = get_command(cli.app).commands[name]  # type: ignore[attr-defined]
    command.make_context(name, [one.replace("%i", "0") for one in options], parent=click.Context(command))
    given = {pair.partition("=")[0] for some in settings["Environment"] for pair in shlex.split(some)}
    assert given <= NAMED | OTHERS
    assert RawConfigParser(strict=False, delimiters="=").read(file)


@pytest.mark.parametrize("file", UNITS, ids=[file.stem for file in UNITS])
def test_a_unit_is_hardened_and_holds_no_secret(file: Path) -> None:
    settings = unit(file)
    for name, value in {
        "DynamicUser": "yes",
        "NoNewPrivileges": "yes",
        "CapabilityBoundingSet": "",
        "ProtectSystem": "strict",
        "ProtectHome": "yes",
        "PrivateTmp": "yes",
        "UMask": "0077",
        "Restart": "always",
    }.items():
        assert settings[name] == [value], name
    assert settings["MemoryMax"]
    assert not re.search(r"(SECRET|PASSWORD)=", file.read_text())


PAGE = (ROOT / "docs" / "production.md").read_text()


def connector_commands() -> list[list[str]]:
    """What follows ``connector`` in the commands of the page."""
    lines = [
        line for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()
    ]
    found = [re.split(r"(?:^|[ /])connector (?=[a-z])", line) for line in lines if line[0] in "$#"]
    return [shlex.split(parts[1]) for parts in found if len(parts) == 2]


@pytest.mark.parametrize("words", connector_commands(), ids=" ".join)
def test_a_command_of_the_page_is_one_with_its_options(words: list[str]) -> None:
    command: click.Command = get_command(cli.app)
    context = click.Context(command)
    while isinstance(command, click.Group):
        command = command.commands[words.pop(0)]
    command.make_context(command.name, words, parent=context)


def test_files_settings_and_variables_of_the_page_exist() -> None:
    for name in re.findall(r"`((?:ops|docs|config)/[\w./-]+)`", PAGE):
        assert (ROOT / name).exists(), name
    compose = (ROOT / "docker-compose.yml").read_text()
    for name in re.findall(r"\b(?:XTND|KAFKA|DATABASE|POSTGRES|ANALYST|MIRROR)_[A-Z_]+[A-Z]\b", PAGE):
        assert name in NAMED | OTHERS or f"${{{name}" in compose, name
    settings = config.load(ROOT / "config", {}, with_secrets=False)
    for section, name in re.findall(r"`(gateway|worker|kafka|database|topics)\.(?!env|yaml)([a-z_]+)", PAGE):
        assert hasattr(getattr(settings, section), name), f"{section}.{name}"
