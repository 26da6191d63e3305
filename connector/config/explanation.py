"""What pydantic refuses, in the words of the YAML: the key as it is written, and what to write instead."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

from connector.config.findings import nearest
from connector.config.models import Config
from connector.config.source import Document, Location
from connector.config.yaml_types import PATTERN_CURES
from connector.errors import Finding

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


def findings(error: ValidationError, document: Document) -> Iterator[Finding]:
    """Turn pydantic's errors into findings, one per place."""
    reported: set[Location] = set()
    for problem in error.errors(include_url=False, include_input=False):
        location = _written_location(problem["loc"], document.data)
        if location in reported:
            continue
        reported.add(location)
        dotted = ".".join(map(str, location))
        kind = problem["type"]
        cure: str | None
        if kind == "extra_forbidden":
            what, cure = f"unknown key {dotted!r}", nearest(str(location[-1]), _keys_at(location[:-1]))
        elif kind == "missing":
            what, cure = f"{dotted!r} is missing", "Add it."
        elif location == ("database", "url"):
            what, cure = "database.url must be text", "Set DATABASE_URL."
        else:
            what = f"{dotted!r}: {problem['msg']}"
            if kind == "string_pattern_mismatch":
                cure = PATTERN_CURES.get(problem["ctx"]["pattern"])
            else:
                cure = next((cure for start, cure in CURES.items() if kind.startswith(start)), None)
        yield Finding(document.where(location), what, cure or "Write it as the shipped file has it.")


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
    model: type[BaseModel] | None = Config
    for part in location:
        field = model.model_fields.get(str(part)) if model else None
        model = _model_inside(field.annotation) if field else model
    return [field.alias or name for name, field in model.model_fields.items()] if model else []


def _model_inside(annotation: Any) -> type[BaseModel] | None:
    """The model in ``Model``, ``dict[str, Model]`` or ``Model | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_inside(argument) for argument in getattr(annotation, "__args__", ()))
    return next(filter(None, found), None)
