"""Text of the YAML files → plain data, with the line of every key and value.

Three things differ from PyYAML's default: a key that stands twice is refused, only ``true`` and
``false`` are booleans, as in YAML 1.2, so that ``verify: off`` is the word that it looks like, and
a date is the text that it is written as.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

import yaml

from connector.config.secret_text import without_accidents
from connector.errors import ConfigError, Finding

Location = tuple[str | int, ...]
VARIABLE = re.compile(r"\$(?:(?P<escaped>\$)|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\})")
BOOLEAN = re.compile(r"^(?:true|false)$")
BOOLEAN_TAG = "tag:yaml.org,2002:bool"
TIMESTAMP_TAG = "tag:yaml.org,2002:timestamp"
PLAIN_TAGS = ("str", "int", "float", "bool", "null")
INT64 = 2**63
# What a YAML error quotes of the text, which may be a secret; "<scalar>" is the name of a part.
QUOTED = re.compile(r"'(?!<)[^']{2,}'")


class Loader(yaml.SafeLoader):
    """SafeLoader with YAML 1.2 booleans and no dates."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in (BOOLEAN_TAG, TIMESTAMP_TAG)]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_implicit_resolver(BOOLEAN_TAG, BOOLEAN, ["t", "f"])


class Document:
    """Plain data out of one or more YAML files, and where each part of it stands."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.data: dict[str, Any] = {}
        self.marks: dict[Location, str] = {}
        self.findings: list[Finding] = []
        # Variables without a value, by location: whether one is missed depends on what the command uses.
        self.unset: dict[Location, Finding] = {}
        # Plain values that came out of variables, as text, by location.
        self.substituted: dict[Location, str] = {}
        # The first variable that a value was taken from, by location.
        self.variables: dict[Location, str] = {}
        self._variables = variables

    def read(self, name: str, text: str) -> None:
        """Add a file's top-level keys; faults are collected in ``findings``."""
        try:
            root = Loader(text).get_single_node()
            if not isinstance(root, yaml.MappingNode):
                self.findings.append(Finding(f"{name}:1", "the file must hold keys and values"))
                return
            found = self._mapping(name, root, ())
        except yaml.YAMLError as error:
            self.findings.append(_not_yaml(name, text, error))
            return
        except RecursionError:
            self.findings.append(Finding(f"{name}:1", "nested too deep, or an anchor that holds itself"))
            return
        for key, value in found.items():
            if key in self.data:
                where = self.marks[(key,)]
                self.findings.append(
                    Finding(where, f"{key!r} stands in another file too", "Keep one of them.")
                )
            self.data[key] = value

    def override(self, dotted: str, value: object) -> None:
        """Set one value, as from the command line, over what the files say."""
        *parents, last = dotted.split(".")
        place: Any = self.data
        for part in parents:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                return  # the file is wrong here, and validation says how
        place[last] = value
        location: Location = tuple(dotted.split("."))
        self.marks[location] = "command line"
        self.substituted.pop(location, None)
        self.variables.pop(location, None)
        self.unset.pop(location, None)

    def put(self, location: Location, value: object) -> None:
        """Set the value at a location that is there."""
        place: Any = self.data
        for part in location[:-1]:
            place = place[part]
        place[location[-1]] = value

    def where(self, location: Location) -> str:
        """``file:line`` of the nearest place that is written down."""
        for length in range(len(location), 0, -1):
            if mark := self.marks.get(location[:length]):
                return mark
        return "configuration"

    def _mapping(self, name: str, node: yaml.MappingNode, at: Location) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            where = f"{name}:{key_node.start_mark.line + 1}"
            if key in result:
                self.findings.append(Finding(where, f"{key!r} stands twice", "Remove one of them."))
            self.marks[(*at, key)] = where
            result[key] = self._value(name, value_node, (*at, key))
        return result

    def _value(self, name: str, node: yaml.Node, at: Location) -> Any:
        self.marks.setdefault(at, f"{name}:{node.start_mark.line + 1}")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(name, node, at)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(name, item, (*at, index)) for index, item in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)  # noqa: S101 - the three kinds of node that YAML has
        return self._scalar(name, node, at)

    def _scalar(self, name: str, node: yaml.ScalarNode, at: Location) -> Any:
        where = f"{name}:{node.start_mark.line + 1}"

        def replace(found: re.Match[str]) -> str:
            if found["escaped"]:
                return "$"
            given = without_accidents(self._variables.get(found["name"]) or "")
            if given:
                self.variables.setdefault(at, found["name"])
            value = given or found["default"]
            if value is None:
                variable = found["name"]
                cure = f"Set it, or write ${{{variable}:-default}}."
                self.unset.setdefault(at, Finding(where, f"the variable {variable} is not set", cure))
                return ""
            return value

        text = VARIABLE.sub(replace, node.value)
        tag = node.tag
        if text != node.value and node.style is None:
            # A plain scalar that held a variable is read again, so that ${PORT:-8080} is a number.
            tag = Loader("").resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
            self.substituted[at] = text
        value = _constructed(tag, text)
        if _is_plain(value):
            return value
        if at in self.substituted:
            return text
        # Without the value: it may be a secret.
        self.findings.append(Finding(where, "the value cannot be read", "Put it in quotes."))
        return None

    def raise_findings(self, more: list[Finding] | None = None) -> None:
        """Raise ``ConfigError`` with every finding so far, if there is any."""
        findings = [*self.findings, *self.unset.values(), *(more or [])]
        if findings:
            raise ConfigError(findings)


def _constructed(tag: str, text: str) -> Any:
    if tag.removeprefix("tag:yaml.org,2002:") not in PLAIN_TAGS:
        return ...
    try:
        return Loader("").construct_object(yaml.ScalarNode(tag, text))
    except (ValueError, LookupError, yaml.YAMLError):
        return ...


def _is_plain(value: Any) -> bool:
    """Whether a value is text, a boolean, a number that JSON has, or nothing."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, int):
        return -INT64 <= value < INT64
    return value is None or isinstance(value, str)


def _not_yaml(name: str, text: str, error: yaml.YAMLError) -> Finding:
    mark = getattr(error, "problem_mark", None)
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        problem = "a character that YAML has no place for"
    else:
        line = mark.line + 1 if mark else 1
        problem = QUOTED.sub("'…'", getattr(error, "problem", None) or "cannot be read")
    return Finding(f"{name}:{line}", f"not valid YAML: {problem}")
