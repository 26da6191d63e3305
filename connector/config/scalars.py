"""Scalars as YAML 1.2 reads them: its core schema (yaml.org/spec/1.2.2, 10.3.2), and nothing beside it.

PyYAML parses the text and keeps the line of each value; what a plain scalar means is decided here.
ruamel.yaml was weighed for it: it reads 1_000, 0b11, dates and << by YAML 1.1 in its 1.2 mode too.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Any

import yaml
from typing_extensions import override

TAG = "tag:yaml.org,2002:"
# Tag → the plain scalars that have it, and the letters that these start with.
CORE = {
    "null": (r"~|null|Null|NULL|", "~nN"),
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    "float": (
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
}
PATTERNS = {TAG + name: re.compile(rf"(?:{pattern})\Z") for name, (pattern, _) in CORE.items()}
# Tabs, byte order marks, tags, explicit keys and comments: libyaml takes what PyYAML's own parser refuses.
UNALIKE = re.compile(r"[\t\r\ufeff!?]|[|>][-+0-9]*#")
# What connector 0.1 read otherwise than PyYAML does by itself.
FORMER_BOOLEAN = re.compile(r"(?:true|false)\Z")
FORMER_TEXT = (TAG + "bool", TAG + "timestamp")
# Of whole numbers, by how they start.
BASES = {"0o": 8, "0x": 16}


class Loader(yaml.SafeLoader):
    """PyYAML's parser with the core schema of YAML 1.2."""


class FormerLoader(yaml.SafeLoader):
    """As connector 0.1 read scalars: by YAML 1.1, but for booleans and dates."""


Loader.yaml_implicit_resolvers = {}
for name, (_, first) in CORE.items():
    # PyYAML keeps what an empty scalar may be under the empty letter.
    letters = [*first, ""] if name == "null" else [*first]
    Loader.add_implicit_resolver(TAG + name, PATTERNS[TAG + name], letters)
FormerLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in FORMER_TEXT]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
FormerLoader.add_implicit_resolver(TAG + "bool", FORMER_BOOLEAN, ["t", "f"])


class _Fast(yaml.composer.Composer, yaml.resolver.Resolver):
    """``Loader`` on libyaml, several times as fast; Python composes the nodes, which bounds their depth."""

    yaml_implicit_resolvers = Loader.yaml_implicit_resolvers

    def __init__(self, text: str) -> None:
        super().__init__()
        yaml.resolver.Resolver.__init__(self)
        parser: Any = yaml.cyaml.CParser(text)  # type: ignore[attr-defined]
        self.check_event, self.peek_event = parser.check_event, parser.peek_event
        self.get_event = parser.get_event

    @override
    def compose_scalar_node(self, anchor: dict[Any, yaml.Node]) -> yaml.ScalarNode:
        node = super().compose_scalar_node(anchor)
        node.style = node.style or None  # libyaml's is empty where there is none
        return node


def nodes(text: str) -> yaml.Node | None:
    """The nodes of a text; raises ``yaml.YAMLError``, with the index of its place, and ``RecursionError``."""
    if yaml.__with_libyaml__ and not UNALIKE.search(text):
        with suppress(yaml.YAMLError, UnicodeError):  # PyYAML's own parser says what is wrong, and where
            return _Fast(text).get_single_node()
    return Loader(text).get_single_node()


def tag(text: str) -> str:
    """The tag of a plain scalar."""
    found = Loader("").resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    return str(found)


def value(tag: str, text: str) -> Any:
    """The value of a scalar with this tag; ``...`` for one that has none."""
    if tag == TAG + "str":
        return text
    if tag not in PATTERNS or not PATTERNS[tag].match(text):
        return ...
    try:
        return _READERS[tag](text)
    except ValueError:  # more digits than Python reads
        return ...


@lru_cache(maxsize=4096)
def former(text: str) -> Any:
    """The value that connector 0.1 read from a plain scalar; ``...`` for one that it refused."""
    loader = FormerLoader("")
    tag = loader.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    try:
        return loader.construct_object(yaml.ScalarNode(tag, text))
    except (ValueError, LookupError, yaml.YAMLError):
        return ...


_READERS: dict[str, Callable[[str], Any]] = {
    TAG + "null": lambda _: None,
    TAG + "bool": lambda text: text.lower() == "true",
    TAG + "int": lambda text: int(text[2:], BASES[text[:2]]) if text[:2] in BASES else int(text),
    TAG + "float": lambda text: float(text.lower().replace(".inf", "inf").replace(".nan", "nan")),
}
