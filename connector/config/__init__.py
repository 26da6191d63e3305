"""YAML and environment → one frozen, validated ``Config``.

``load`` is a function of the folder's text, the variables and the overrides given to it; nothing
here reads the environment by itself. Faults are reported all at once, each with file and line,
what is wrong, and the nearest name that would be right.
"""

import difflib
import json
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from connector.config import cautions, checks, credentials
from connector.config.models import (
    ActionRoute,
    Config,
    Database,
    Family,
    Gateway,
    Hook,
    Kafka,
    Mirror,
    Topics,
    Worker,
)
from connector.config.source import Document, Location, nearest_mark
from connector.config.table_models import SHOP_COLUMN, Column, KeyColumn, Source, Table, View, constant_type
from connector.config.yaml_types import PATTERN_CURES
from connector.errors import ConfigError, Finding

__all__ = [
    "SHOP_COLUMN",
    "ActionRoute",
    "Column",
    "Config",
    "Database",
    "Family",
    "Gateway",
    "Hook",
    "Kafka",
    "KeyColumn",
    "Mirror",
    "Source",
    "Table",
    "Topics",
    "View",
    "Worker",
    "constant_type",
    "load",
    "parse",
]

# Kinds of pydantic's errors, or how they start → what to write.
CURES = {
    "int": "Write a whole number, without quotes.",
    "float": "Write a number, without quotes.",
    "bool": "Write true or false.",
    "string_type": "Write text; a number in quotes is text.",
    "string_too_short": "Write it out.",
    "literal": "Write one of these.",
    "greater": "Write a greater number.",
    "less": "Write a smaller number.",
    "too_short": "List at least one.",
    "too_long": "List fewer.",
    "tuple": "Write a list, as in [a, b].",
    "model": "Write keys and values below it.",
    "dict": "Write keys and values below it.",
}
FILES = ("connector.yaml", "topics.yaml", "tables.yaml")


def load(
    directory: Path,
    variables: Mapping[str, str],
    overrides: Mapping[str, object] | None = None,
    *,
    with_secrets: bool = True,
    unused: Collection[str] = (),
) -> Config:
    """Read the three files of ``directory``; ``overrides`` maps dotted names to values.

    ``with_secrets`` is for who verifies deliveries; a worker needs no secret and is given none. Of
    the sections ``unused`` (``kafka``, ``database``) the variables of secrets may be missing.
    Raises ``ConfigError`` with every fault that was found.
    """
    texts: dict[str, str] = {}
    for name in FILES:
        try:
            texts[name] = (directory / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            what = f"cannot be read: {getattr(error, 'strerror', None) or error}"
            cure = "Name the folder that holds connector.yaml, topics.yaml and tables.yaml with --config."
            raise ConfigError([Finding(str(directory / name), what, cure)]) from None
    return parse(texts, variables, overrides, with_secrets=with_secrets, unused=unused)


def parse(
    texts: Mapping[str, str],
    variables: Mapping[str, str],
    overrides: Mapping[str, object] | None = None,
    *,
    with_secrets: bool = True,
    unused: Collection[str] = (),
) -> Config:
    """Check the texts of the files, by file name, as one configuration."""
    document = Document(variables)
    for name, text in texts.items():
        document.read(name, text)
    for dotted, value in (overrides or {}).items():
        if value is not None:
            document.override(dotted, value)
    absent = credentials.forgive(document, unused if with_secrets else (*unused, "hooks"))
    document.raise_findings()
    odd = credentials.take(document, with_secrets=with_secrets) + cautions.take_former(document)
    try:
        # Through JSON, because strict validation takes an array for a tuple only there.
        config = Config.model_validate_json(json.dumps(document.data), strict=True)
    except ValidationError as error:
        raise ConfigError(list(_explain(error, document))) from None
    document.raise_findings(
        [
            finding(document.where)
            for finding in checks.check(config, with_secrets=with_secrets, absent=absent)
        ]
    )
    warnings = [*odd, *document.warnings, *cautions.shared_tables(config, document)]
    return config.with_warnings(warnings, partial(nearest_mark, document.marks))


def _explain(error: ValidationError, document: Document) -> Iterator[Finding]:
    """Turn pydantic's errors into findings, one per place."""
    reported: set[Location] = set()
    for problem in error.errors(include_url=False, include_input=False):
        location = _written_location(problem["loc"], document.data)
        if location in reported:
            continue
        reported.add(location)
        dotted = ".".join(map(str, location))
        if problem["type"] == "extra_forbidden":
            known = _keys_at(location[:-1])
            yield Finding(
                document.where(location), f"unknown key {dotted!r}", _nearest(str(location[-1]), known)
            )
        elif problem["type"] == "missing":
            yield Finding(document.where(location), f"{dotted!r} is missing", "Add it.")
        elif location[-1:] == ("url",) and location[0] == "database":
            yield Finding(document.where(location), "database.url must be text", "Set DATABASE_URL.")
        else:
            what = f"{dotted!r}: {problem['msg']}"
            yield Finding(document.where(location), what, _cure(problem))


def _cure(problem: Any) -> str:
    """What to write instead, by the kind of pydantic's error."""
    fallback = "Write it as the shipped file has it."
    if problem["type"] == "string_pattern_mismatch":
        return PATTERN_CURES.get(problem["ctx"]["pattern"], fallback)
    return next((cure for kind, cure in CURES.items() if problem["type"].startswith(kind)), fallback)


def _written_location(loc: Location, data: Any) -> Location:
    """Drop the parts of a pydantic location that name a branch of a union instead of a key."""
    location: list[str | int] = []
    for part in loc:
        present = isinstance(data, dict) and part in data
        indexed = isinstance(data, list) and isinstance(part, int) and part < len(data)
        if present or indexed:
            location.append(part)
            data = data[part]
        elif isinstance(data, dict) and part == loc[-1] and part != "[key]":
            location.append(part)
    return tuple(location)


def _keys_at(location: Location) -> list[str]:
    """Names of the keys that the model at ``location`` takes."""
    model: Any = Config
    for part in location:
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return []
        field = model.model_fields.get(str(part))
        annotation = field.annotation if field else None
        model = _model_inside(annotation) if field else model
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return []
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_inside(annotation: Any) -> Any:
    """Return the model in ``Model``, ``dict[str, Model]`` or ``Model | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        if (model := _model_inside(argument)) is not None:
            return model
    return None


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"Did you mean {close[0]!r}?" if close else f"Known here: {', '.join(sorted(known))}."
