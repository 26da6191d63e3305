"""Findings before it is known where they stand, and the nearest name that would be right."""

import difflib
from collections.abc import Callable, Iterable

from connector.config.source import Location
from connector.errors import Finding

# A finding that still needs to be given where its location stands.
Located = Callable[[Callable[[Location], str]], Finding]


def finding(location: Location, what: str, cure: str = "") -> Located:
    """What is wrong at a location, and what to write instead."""
    return lambda where: Finding(where(location), what, cure)


def nearest(name: str, known: Iterable[str]) -> str:
    """A cure for a name that is not among ``known``."""
    names = sorted(set(known))
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
    return f"Did you mean {close[0]!r}?" if close else f"Known here: {', '.join(names)}."
