"""YAML files as they may leave the machine: without the secrets that somebody wrote into them.

``${VAR}`` stays: it holds nothing. What is left out becomes a variable, so that a process that reads the file
says which one it needs.
"""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from connector.config import database_url, scalars
from connector.config.source import VARIABLE, Location

# Headers of a request that hold nothing of a login.
OPEN_HEADERS = ("accept", "accept-encoding", "accept-language", "content-type", "user-agent")
# A shorter text is removed where it stands as a value, and may mean something else anywhere else.
SHORTEST_ELSEWHERE = 8


def without_secrets(text: str) -> tuple[str, list[str]]:
    """The text of a file of the configuration, and the names of the variables that stand for secrets."""
    # By their place, because a secret that is anchored and named again is one piece of text.
    found: dict[int, tuple[int, str, str]] = {}
    for location, node in _scalars(scalars.Loader(text).get_single_node(), ()):
        if _is_secret(location, str(node.value)):
            name = "LEFT_OUT_" + re.sub(r"\W", "_", "_".join(map(str, location))).upper()
            found[node.start_mark.index] = (node.end_mark.index, name, str(node.value))
    for start, (end, name, _) in sorted(found.items(), reverse=True):
        text = f"{text[:start]}${{{name}}}{text[end:]}"
    for _, name, secret in found.values():
        if len(secret) >= SHORTEST_ELSEWHERE:  # in a comment, for example
            text = text.replace(secret, f"${{{name}}}")
    return text, [name for _, name, _ in found.values()]


def _scalars(node: Any, at: Location) -> Iterator[tuple[Location, yaml.ScalarNode]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _scalars(value, (*at, str(key.value)))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _scalars(value, (*at, index))
    elif isinstance(node, yaml.ScalarNode):
        yield at, node


def _is_secret(location: Location, value: str) -> bool:
    """Whether a value at a place for secrets has text of its own, such as the default of a variable."""
    own = VARIABLE.sub(lambda found: found["default"] or "", value)
    match location:
        case ("hooks", _, "secrets", _) | ("kafka", "sasl_password") | ("sources", "login", "password"):
            return bool(own)
        case ("sources", "headers", name):
            return bool(own) and str(name).lower() not in OPEN_HEADERS
        case ("database", "url") if own:
            return database_url.fault(own) is not None or database_url.without_password(own) != own
    return False
