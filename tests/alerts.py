"""The alerts of ops/alerts.yml, and what their expressions ask of a scrape."""

import json
import re
from dataclasses import dataclass
from typing import Any

import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import ROOT

FILE = ROOT / "ops" / "alerts.yml"
# A name that is ours or of the process, and its matchers.
SELECTOR = re.compile(r"\b((?:xtnd|process)_[a-z_]+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)(=~|!=|=)"([^"]*)"')
# What Prometheus itself adds to each sample.
ADDED = ("job", "instance")


@dataclass(frozen=True, slots=True)
class Selector:
    """A metric with the labels that an expression asks for: operator and value by name."""

    name: str
    matchers: tuple[tuple[str, str, str], ...]

    def fits(self, name: str, labels: dict[str, str]) -> bool:
        if name != self.name:
            return False
        return all(label in labels and _holds(labels[label], op, value) for label, op, value in self.matchers)


def _holds(value: str, op: str, wanted: str) -> bool:
    if op == "=~":
        return re.fullmatch(wanted, value) is not None
    return (value == wanted) == (op == "=")


def rules() -> list[dict[str, Any]]:
    """The rules of the file, in its order."""
    groups = yaml.safe_load(FILE.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> dict[str, list[str]]:
    """The expressions of the dashboard, by the title of the panel."""
    found = json.loads((ROOT / "ops" / "grafana.json").read_text())["panels"]
    return {
        panel["title"]: [one["expr"] for one in panel["targets"]] for panel in found if panel["type"] != "row"
    }


def selectors(expression: str) -> list[Selector]:
    """What an expression reads; each metric of ours needs its labels."""
    found = []
    for name, text in SELECTOR.findall(expression):
        matchers = [one for one in MATCHER.findall(text) if one[0] not in ADDED]
        found.append(Selector(name, tuple(matchers)))
    return found


def grouped_by(expression: str) -> set[str]:
    """The labels by which an expression groups."""
    return {label.strip() for text in re.findall(r"by \(([^)]*)\)", expression) for label in text.split(",")}


def samples(page: str) -> list[tuple[str, dict[str, str]]]:
    """Names and labels on a page of metrics."""
    return [
        (one.name, one.labels) for family in text_string_to_metric_families(page) for one in family.samples
    ]


def sections() -> dict[str, dict[str, str]]:
    """The sections of docs/runbook.md: text by heading, by the heading of its part."""
    found = {}
    for part in (ROOT / "docs" / "runbook.md").read_text().split("\n## ")[1:]:
        title, *some = part.split("\n### ")
        found[title.splitlines()[0]] = dict(one.split("\n", 1) for one in some)
    return found
