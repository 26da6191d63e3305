"""Hooks that records imply and that never came, by what the shop sent: a reader apart from the product's."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from connector.simulator import journal as sent_journal
from connector.simulator import verify as sent_events
from tests.faults.harness import Stack
from tests.workers import until

# Where hooks of a family have the record's number.
NUMBERS = {
    "orders": "OrderNumber",
    "purchases": "OrderNumber",
    "products": "ProductNumber",
    "customers": "CustomerNumber",
    "offers": "OfferNumber",
    "invoices": "InvoiceNumber",
}
MISSING = (
    "SELECT family, entity_key, action FROM implied_hooks WHERE implied_at IS NOT NULL AND hooked_at IS NULL"
)
# A hook is late, not lost, until so long after the record that implies it was fetched.
LATE_SECONDS = 600
# Family and key → the record's body, None where the shop deleted it.
Truth = dict[tuple[str, str], Any]
# Family, key and action.
Hooks = set[tuple[str, str, str]]


def journal(stack: Stack) -> Path:
    """What the shop sent and withheld."""
    return stack.folder / "journal.jsonl"


def found_at(value: Any, path: list[str]) -> list[Any]:
    """What stands at a path, in every object of lists on the way."""
    if isinstance(value, list):
        return [found for one in value for found in found_at(one, path)]
    if not path:
        return [value]
    return found_at(value[path[0]], path[1:]) if isinstance(value, dict) and path[0] in value else []


def implied(stack: Stack, known: Truth) -> dict[tuple[str, str, str], list[Any]]:
    """Each hook that the shop's records imply, as sources.yaml says, and since when the record is there."""
    sources = yaml.safe_load((stack.config_dir / "sources.yaml").read_text())["sources"]["entities"]
    hooks = {}
    for (family, key), body in known.items():
        rule = sources[family].get("implied")
        for action, sign in (rule["actions"] if rule and body is not None else {}).items():
            found = [one for one in found_at(body, sign["path"].split(".")) if one is not None]
            if any("texts" not in sign or one in sign["texts"] for one in found):
                hooks[family, key, action] = found_at(body, rule["created_path"].split("."))
    return hooks


def hooks_sent(stack: Stack) -> Hooks:
    """Each hook that the shop did send."""
    sent = set()
    for one in sent_events.may(journal(stack)):
        for family, name in NUMBERS.items():
            sent |= {(family, str(number), one.action) for number in numbers(json.loads(one.details), name)}
    return sent


def numbers(value: Any, name: str) -> Iterator[Any]:
    """The values of a name anywhere in a hook's details."""
    if isinstance(value, list):
        for one in value:
            yield from numbers(one, name)
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from [one] if key == name and not isinstance(one, dict | list) else numbers(one, name)


def differing(stack: Stack, known: Truth) -> tuple[Hooks, Hooks]:
    """Hooks that records imply, were not sent and are not shown as missing; and the other way round."""
    wanted, sent = implied(stack, known).keys(), hooks_sent(stack)
    shown = {(family, key, action) for family, key, action in stack.rows(MISSING)}
    assert wanted - sent
    # A record implied more before it changed: that is shown as well, where it was not sent.
    return (wanted - sent) - shown, shown & sent


def instant(value: Any) -> datetime:
    """An instant of the mirror, or of a record, which has local times."""
    at = datetime.fromisoformat(str(value))
    return at if at.tzinfo else at.replace(tzinfo=ZoneInfo("Europe/Stockholm"))


def only_listed(stack: Stack) -> set[tuple[str, str]]:
    """Records whose last hook was withheld, by family and key: no other hook asks for what changed then."""
    sources = yaml.safe_load((stack.config_dir / "sources.yaml").read_text())["sources"]["entities"]
    families = {action: family for family, one in sources.items() for action in one.get("wanted_on", ())}
    withheld = {}
    for sent in sent_journal.read(journal(stack)).values():
        for one in sent_events.of(sent):
            if (family := families.get(one.action)) in NUMBERS:
                for number in numbers(json.loads(one.details), NUMBERS[family]):
                    withheld[family, str(number)] = sent.withheld
    return {record for record, is_last in withheld.items() if is_last}


def ago(seconds: float) -> str:
    """So long ago, as SQL of both databases reads it."""
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def wait_until_lost(stack: Stack) -> None:
    """Wait until no hook that is missing may still come."""
    late = f"{MISSING} AND implied_at > '{{}}'"
    until(
        lambda: not stack.rows(late.format(ago(LATE_SECONDS))),
        LATE_SECONDS + 60,
        what="no missing hook may still come",
    )


def counted(stack: Stack, known: Truth) -> None:
    """The sweeps count every hook that a record implies and that never came, and none that came."""
    first = dict(stack.rows("SELECT family, MIN(started_at) FROM sweeps GROUP BY family"))
    found = dict(stack.rows("SELECT family, SUM(lost_hooks) FROM sweeps GROUP BY family"))
    sent, lost = hooks_sent(stack), dict.fromkeys(first, 0)
    for hook, created in implied(stack, known).items():
        lost[hook[0]] += hook not in sent and any(instant(one) > instant(first[hook[0]]) for one in created)
    withheld = [one for one in sent_journal.read(journal(stack)).values() if one.withheld]
    assert sum(lost.values())
    assert {one: (count, found[one]) for one, count in lost.items() if found[one] < count} == {}
    assert sum(found.values()) <= len(withheld)
