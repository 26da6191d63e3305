"""Text of the YAML files → plain data, with the line of every key and value.

Two things differ from PyYAML's default: a key that stands twice is refused, and only ``true`` and
``false`` are booleans, as in YAML 1.2, so that ``verify: off`` is the word that it looks like.
"""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from connector.errors import ConfigError, Finding

Location = tuple[str | int, ...]
VARIABLE = re.compile(r"\$(?:(?P<escaped>\$)|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\})")
BOOLEAN = re.compile(r"^(?:true|false)$")
BOOLEAN_TAG = "tag:yaml.org,2002:bool"


class Loader(yaml.SafeLoader):
    """SafeLoader with YAML 1.2 booleans."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != BOOLEAN_TAG]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_implicit_resolver(BOOLEAN_TAG, BOOLEAN, ["t", "f"])


class Document:
    """Plain data out of one or more YAML files, and where each part of it stands."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.data: dict[str, Any] = {}
        self.marks: dict[Location, str] = {}
        self.findings: list[Finding] = []
        self._variables = variables

    def read(self, name: str, text: str) -> None:
        """Add a file's top-level keys; faults are collected in ``findings``."""
        loader = Loader(text)
        try:
            root = loader.get_single_node()
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = mark.line + 1 if mark else 1
            problem = getattr(error, "problem", None) or "cannot be read"
            self.findings.append(Finding(f"{name}:{line}", f"not valid YAML: {problem}"))
            return
        finally:
            loader.dispose()
        if not isinstance(root, yaml.MappingNode):
            self.findings.append(Finding(f"{name}:1", "the file must hold keys and values"))
            return
        for key, value in self._mapping(name, root, ()).items():
            if key in self.data:
                where = self.marks[(key,)]
                self.findings.append(
                    Finding(where, f"{key!r} stands in another file too", "Keep one of them.")
                )
            self.data[key] = value

    def override(self, dotted: str, value: object) -> None:
        """Set one value, as from the command line, over what the files say."""
        *parents, last = dotted.split(".")
        place = self.data
        for part in parents:
            place = place.setdefault(part, {})
        place[last] = value
        self.marks[tuple(dotted.split("."))] = "command line"

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
        return self._scalar(name, node)

    def _scalar(self, name: str, node: yaml.ScalarNode) -> Any:
        where = f"{name}:{node.start_mark.line + 1}"

        def replace(found: re.Match[str]) -> str:
            if found["escaped"]:
                return "$"
            value = self._variables.get(found["name"]) or found["default"]
            if value is None:
                variable = found["name"]
                cure = f"Set it, or write ${{{variable}:-default}}."
                self.findings.append(Finding(where, f"the variable {variable} is not set", cure))
                return ""
            return value

        text = VARIABLE.sub(replace, node.value)
        tag = node.tag
        if text != node.value and node.style is None:
            # A plain scalar that held a variable is read again, so that ${PORT:-8080} is a number.
            tag = Loader("").resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
        loader = Loader("")
        try:
            return loader.construct_object(yaml.ScalarNode(tag, text, node.start_mark, node.end_mark))
        except (ValueError, yaml.YAMLError):
            self.findings.append(Finding(where, f"{text!r} cannot be read as {tag.rsplit(':', 1)[-1]}"))
            return None
        finally:
            loader.dispose()

    def raise_findings(self, more: list[Finding] | None = None) -> None:
        """Raise ``ConfigError`` with every finding so far, if there is any."""
        findings = self.findings + (more or [])
        if findings:
            raise ConfigError(findings)
