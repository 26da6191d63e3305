"""Text of the YAML files → plain data, with the line of every key and value.

YAML is read as 1.2 (``scalars.py``); a key that stands twice is refused, and so is what YAML 1.1 and
1.2 read in different ways and what no database holds. Where connector 0.1 read a value by YAML 1.1 and
it was another one, a warning names it.
"""

import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import yaml

from connector.config import scalars
from connector.config.secret_text import without_accidents
from connector.errors import ConfigError, Finding

Location = tuple[str | int, ...]
VARIABLE = re.compile(r"\$(?:(?P<escaped>\$)|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\})")
INT64 = 2**63
# Keys and values of one file; anchors that are named again and again can make any number of them.
MOST_VALUES = 100_000
# What a YAML error quotes of the text, which may be a secret; "<scalar>" is the name of a part.
QUOTED = re.compile(r"'(?!<)[^']{2,}'")
# Line ends of YAML 1.1, which YAML 1.2 takes for letters.
FORMER_LINE_ENDS = re.compile("[\x85\u2028\u2029]")
SURROGATE = re.compile("[\ud800-\udfff]")
# Where a value may be shown; anywhere else a secret may stand.
OPEN_SECTIONS = ("tables", "views", "topics")
SECRET_SECTIONS = ("hooks", "kafka", "database", "sources")


class Document:
    """Plain data out of one or more YAML files, and where each part of it stands."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.data: dict[str, Any] = {}
        self.marks: dict[Location, str] = {}
        self.findings: list[Finding] = []
        # Variables without a value, by location: whether one is missed depends on what the command uses.
        self.unset: dict[Location, Finding] = {}
        # Values that connector 0.1 read otherwise.
        self.warnings: list[Finding] = []
        # Plain values that came out of variables, as text, by location.
        self.substituted: dict[Location, str] = {}
        # The first variable that a value was taken from, by location.
        self.variables: dict[Location, str] = {}
        self._variables = variables
        self._left = 0

    def read(self, name: str, text: str) -> None:
        """Add a file's top-level keys; faults are collected in ``findings``."""
        if odd := FORMER_LINE_ENDS.search(text):
            where = f"{name}:{text.count(chr(10), 0, odd.start()) + 1}"
            what = f"U+{ord(odd[0]):04X} ends a line in YAML 1.1 and not in 1.2"
            self._refuse(where, what, f'Remove it, or write "\\u{ord(odd[0]):04x}" in double quotes.')
            return
        self._left = MOST_VALUES
        try:
            root = _root(text)
            if not isinstance(root, yaml.MappingNode):
                self._refuse(f"{name}:1", "the file must hold keys and values")
                return
            found = self._mapping(name, root, ())
        except yaml.YAMLError as error:
            self._refuse_yaml(name, text, error)
            return
        except RecursionError:
            self._refuse(f"{name}:1", "nested too deep, or an anchor that holds itself")
            return
        for key, value in found.items():
            if key in self.data:
                where = self.marks[(key,)]
                self._refuse(where, f"{key!r} stands in another file too", "Keep one of them.")
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
        return nearest_mark(self.marks, location)

    def _refuse(self, where: str, what: str, cure: str = "") -> None:
        self.findings.append(Finding(where, what, cure))

    def _refuse_yaml(self, name: str, text: str, error: yaml.YAMLError) -> None:
        mark = getattr(error, "problem_mark", None)
        if isinstance(error, yaml.reader.ReaderError):
            line = text.count("\n", 0, error.position) + 1
            self._refuse(f"{name}:{line}", "not valid YAML: a character that YAML has no place for")
        elif mark and text[mark.index : mark.index + 1] == "\t":
            what = "not valid YAML: a tab stands here"
            self._refuse(f"{name}:{mark.line + 1}", what, "Write blanks instead.")
        else:
            problem = QUOTED.sub("'…'", getattr(error, "problem", None) or "cannot be read")
            self._refuse(f"{name}:{mark.line + 1 if mark else 1}", f"not valid YAML: {problem}")

    def _mapping(self, name: str, node: yaml.MappingNode, at: Location) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            where = f"{name}:{key_node.start_mark.line + 1}"
            if not isinstance(key_node, yaml.ScalarNode):
                self._refuse(where, "a key must be text", "Write one word before the colon.")
                continue
            key = str(key_node.value)
            self._refuse_unstorable(where, at, key)
            if key == "<<" and key_node.style is None:
                what = "<< merges keys in YAML 1.1 only, and this file is read as YAML 1.2"
                self._refuse(where, what, "Write the keys out.")
                continue
            if key in result:
                self._refuse(where, f"{key!r} stands twice", "Remove one of them.")
            self.marks[(*at, key)] = where
            result[key] = self._value(name, value_node, (*at, key))
        return result

    def _value(self, name: str, node: yaml.Node, at: Location) -> Any:
        where = f"{name}:{node.start_mark.line + 1}"
        self.marks.setdefault(at, where)
        self._left -= 1
        if self._left < 0:
            what = f"the file comes to more than {MOST_VALUES} values"
            raise ConfigError([Finding(where, what, "Use fewer anchors, or write less.")])
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(name, node, at)
        if node.tag not in (f"{scalars.TAG}map", f"{scalars.TAG}seq"):
            self._refuse(where, "a tag has no meaning here", "Remove it.")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(name, node, at)
        return [self._value(name, item, (*at, index)) for index, item in enumerate(node.value)]

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
            # A plain scalar with a variable is read again, so that ${PORT:-8080} is a number.
            tag = scalars.tag(text)
            self.substituted[at] = text
        self._refuse_unstorable(where, at, text)
        value = scalars.value(tag, text)
        if node.style is None:
            self._warn_of_change(where, at, text, value)
        if self._is_plain(value):
            return value
        if at in self.substituted:
            return text
        # Without the value: it may be a secret.
        self._refuse(where, "the value cannot be read", "Put it in quotes.")
        return None

    @staticmethod
    def _is_plain(value: Any) -> bool:
        """Whether a value is text, a boolean, a number that JSON has, or nothing."""
        if isinstance(value, float):
            return math.isfinite(value)
        if isinstance(value, int):
            return -INT64 <= value < INT64
        return value is None or isinstance(value, str)

    def _refuse_unstorable(self, where: str, at: Location, text: str) -> None:
        if SURROGATE.search(text):
            self._refuse(where, "half of a UTF-16 pair stands in the text, which is no letter", "Remove it.")
        # A secret is bytes to its owner; everything else may reach a database.
        if "\0" in text and at[:1] != ("hooks",):
            self._refuse(where, "U+0000 stands in the text, which no database holds", "Remove it.")

    def _warn_of_change(self, where: str, at: Location, text: str, value: Any) -> None:
        """Name a value that connector 0.1 read as another one, by YAML 1.1; secrets are text anyway."""
        if at[0] in SECRET_SECTIONS:
            return
        former = scalars.former(text)
        # 1 and 1.0 and True are equal and not the same.
        if (type(former), repr(former)) == (type(value), repr(value)) or former is ...:
            return
        dotted, shown = ".".join(map(str, at)), at[0] in OPEN_SECTIONS
        kinds = {bool: "a boolean", int: "a number", float: "a number", str: "text"}
        now, before = (
            # As it is, where it can be no secret.
            f"the {kind.removeprefix('a ')} {one!r}" if shown and one is not ... else kind
            for one, kind in ((one, kinds.get(type(one), "no value")) for one in (value, former))
        )
        what = f"{dotted!r} is {now} by YAML 1.2, and connector 0.1 took it for {before}"
        self.warnings.append(Finding(where, what, "Put it in quotes if text is meant."))

    def raise_findings(self, more: list[Finding] | None = None) -> None:
        """Raise ``ConfigError`` with every finding so far, if there is any."""
        findings = [*self.findings, *self.unset.values(), *(more or [])]
        if findings:
            raise ConfigError(findings)


@lru_cache(maxsize=8)  # a command reads the files twice, and it is most of the work
def _root(text: str) -> yaml.Node | None:
    return scalars.nodes(text)


def nearest_mark(marks: Mapping[Location, str], location: Location) -> str:
    """The mark of a location, or of the nearest part around it that has one."""
    lengths = range(len(location), 0, -1)
    return next(
        (marks[location[:length]] for length in lengths if location[:length] in marks), "configuration"
    )
