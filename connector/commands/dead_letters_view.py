"""How dead letters look: tables for people, plain data for ``--json``.

Whatever came from outside is printed as plain text without control characters, so that a payload
can neither paint the terminal nor pose as our own words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from connector.events import DeadLetter
from connector.safe_text import hexdump, plain, readable

if TYPE_CHECKING:  # so that a look at the list does not load Kafka's client
    from connector.mirror.dry_run import Effects, RowChange
    from connector.mirror.letters import StoredLetter
    from connector.replay import Outcome
    from connector.replay.plans import ReplayPlan

# All but what is shown in ways of its own.
FACTS = [
    name for name in DeadLetter.__struct_fields__ if name not in ("dead_letter_id", "context", "payload")
]
SHORT = 12  # letters of an id that are shown; enough for replay and show
NARROWEST = 60
SHOWN_BYTES = 8192
SHOWN_CHANGES = 200
TABLE: Any = {"box": None, "pad_edge": False, "header_style": "bold", "padding": (0, 2, 0, 0)}

JsonObject = dict[str, Any]


def summary(stored: StoredLetter) -> JsonObject:
    """Everything of a letter but payload and context."""
    letter = stored.letter
    report = {
        "id": stored.id,
        "state": stored.state,
        "state_at": stored.state_at,
        "mirrored": stored.mirrored,
    }
    return report | {name: getattr(letter, name) for name in FACTS}


def whole(stored: StoredLetter) -> JsonObject:
    """A letter with context and payload; bytes that are no UTF-8 come as hex."""
    payload, text = stored.letter.payload, readable(stored.letter.payload, strict=False)
    shown = {"payload": text} if text is not None else {"payload_hex": payload.hex()}
    return {**summary(stored), "context": stored.letter.context, "payload_bytes": len(payload), **shown}


def outcome(done: Outcome, effects: Effects | None) -> JsonObject:
    """What a replay did, or with ``effects`` what it would do."""
    published = [
        {
            "id": plan.letter.dead_letter_id,
            "event_id": plan.letter.event_id,
            "asks": list(plan.asks) if plan.asks else None,
            "records": [
                {
                    "topic": record.topic,
                    "key": record.key.decode("utf-8", "replace"),
                    "reason": record.label if record.parked else None,
                }
                for record in plan.records
            ],
        }
        for plan in done.done
    ]
    still_bad = [
        {
            "id": plan.letter.dead_letter_id,
            "reason": plan.fault.reason if plan.fault else "",
            "error": plan.fault.error if plan.fault else "",
        }
        for plan in done.still_bad
    ]
    refused = refusals(done.refused)
    if effects is None:
        return {"replayed": published, "still_parked": still_bad, "refused": refused}
    return {
        "dry_run": True,
        "would_publish": published,
        "would_stay_parked": still_bad,
        "refused": refused,
        "already_mirrored": [event_id for event_id, _ in sorted(effects.known)],
        "worker_would_park": [
            {"event_id": event_id, "source": source, "reason": poison.reason, "error": poison.error}
            for (event_id, source), poison in effects.refused.items()
        ],
        "changes": [
            {
                "table": change.table,
                "key": change.key,
                "row": _kind(change),
                "columns": {
                    name: {"before": old, "after": new} for name, (old, new) in change.columns.items()
                },
            }
            for change in effects.changes
        ],
    }


def refusals(refused: Mapping[str, str]) -> list[JsonObject]:
    """Letters that were not parked, with their state."""
    return [{"id": letter_id, "state": state} for letter_id, state in refused.items()]


def _kind(change: RowChange) -> str:
    if change.before is None:
        return "new"
    return "removed" if change.after is None else "changed"


class LettersConsole:
    """Prints dead letters to standard output."""

    def __init__(self) -> None:
        self._out = Console(highlight=False, markup=False)
        # Narrower, columns would be left out; a terminal breaks the lines instead.
        self._out.width = max(self._out.width, NARROWEST)

    def letters(self, found: Sequence[StoredLetter], total: int, state: str) -> None:
        """One line of facts and one of the error per letter, at any width."""
        if not found:
            self._out.print("No dead letters." if state == "all" else f"No dead letters are {state}.")
            return
        table = Table(**TABLE)
        table.add_column("id", no_wrap=True)
        table.add_column("parked at (UTC)", no_wrap=True)
        table.add_column("what", ratio=2, overflow="fold")
        table.add_column("why", ratio=3, overflow="fold")
        for stored in found:
            letter = stored.letter
            at = f"{letter.parked_at[:10]}\n{letter.parked_at[11:19]}"
            what = f"{plain(letter.action or 'no action')}\n{plain(letter.event_id or letter.hook or '')}"
            why = f"{letter.stage}: {plain(letter.reason)}\n{plain(letter.error)}"
            table.add_row(Text(f"{stored.id[:SHORT]}\n{stored.state}"), Text(at), Text(what), Text(why))
        self._out.print(table)
        more = "" if total == len(found) else "; --limit shows more, --reason and others fewer"
        self._out.print(f"\n{len(found)} of {total}{more}. Next: connector dead-letters show ID")

    def letter(self, stored: StoredLetter) -> None:
        """Every field of a letter, then its payload."""
        table = Table(show_header=False, **TABLE)
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold", ratio=1)
        for name, value in (summary(stored) | stored.letter.context).items():
            if value is not None and value != "":
                shown = ("yes" if value else "no") if isinstance(value, bool) else str(value)
                table.add_row("event mirrored" if name == "mirrored" else plain(name), Text(plain(shown)))
        self._out.print(table)
        payload = stored.letter.payload
        text = readable(payload[:SHOWN_BYTES], strict=True) or hexdump(payload[:SHOWN_BYTES])
        whole = stored.letter.context.get("whole_bytes")
        length = f"the first {len(payload)} of {whole}" if whole else f"{len(payload)}"
        self._out.print(Text(f"\npayload, {plain(length)} bytes:", style="bold"))
        # A carriage return would write over what stands before it.
        self._out.print(Text(text.replace("\r", "\\r")), soft_wrap=True)
        if len(payload) > SHOWN_BYTES:
            self._out.print(f"… {len(payload) - SHOWN_BYTES} more bytes; --json has them all", style="dim")

    def outcome(self, done: Outcome, effects: Effects | None) -> None:
        """What a replay did, or with ``effects`` what it would do."""
        if not (done.done or done.still_bad or done.refused):
            self._out.print("Nothing that is parked fits; nothing to replay.")
            return
        for plan in done.done:
            self._out.print(
                Text(self._went(plan, "would go to" if effects else "replayed to")), soft_wrap=True
            )
        for plan in done.still_bad:
            fault = plan.fault
            what = f"{fault.reason}: {fault.error}" if fault else ""
            stays = "would stay parked" if effects else "stays parked"
            line = f"{plan.letter.dead_letter_id[:SHORT]}  {stays}: {plain(what)}"
            self._out.print(Text(line, style="red"), soft_wrap=True)
        self._refused(done.refused)
        if effects:
            self._changes(effects)
        verb = "would be replayed" if effects else "replayed"
        self._out.print(
            f"\n{len(done.done)} {verb}, {len(done.still_bad)} still bad, {len(done.refused)} refused."
        )
        if effects:
            self._out.print("Nothing was changed (--dry-run).")
        elif done.done:
            # A hydrator's letter publishes nothing: its record is asked for again.
            worker = "A worker mirrors them now." * any(not plan.asks for plan in done.done)
            hydrator = "A hydrator asks for these records now." * any(plan.asks for plan in done.done)
            text = " ".join(filter(None, (worker, hydrator, "One that fails again is parked again.")))
            self._out.print(text, soft_wrap=True)

    def discarded(self, count: int, refused: Mapping[str, str]) -> None:
        """What a discard did."""
        self._refused(refused)
        self._out.print(f"{count} discarded, {len(refused)} refused.")

    def _refused(self, refused: Mapping[str, str]) -> None:
        for letter_id, state in refused.items():
            line = f"{plain(letter_id[:SHORT])}  refused: it is {plain(state)}, and only a parked one can be"
            self._out.print(Text(f"{line} replayed or discarded", style="red"), soft_wrap=True)

    @staticmethod
    def _went(plan: ReplayPlan, verb: str) -> str:
        if plan.asks:
            asked = "would be asked for again" if verb.startswith("would") else "is asked for again"
            return f"{plan.letter.dead_letter_id[:SHORT]}  {plain(' '.join(plan.asks))} {asked}"
        topics: dict[str, int] = {}
        for record in plan.records:
            topics[record.topic] = topics.get(record.topic, 0) + 1
        where = ", ".join(f"{topic} ({count})" if count > 1 else topic for topic, count in topics.items())
        reasons = ", ".join(sorted({plain(record.label) for record in plan.new_letters}))
        parked = (
            f"; of these {len(plan.new_letters)} parked as new letters ({reasons})"
            if plan.new_letters
            else ""
        )
        return f"{plan.letter.dead_letter_id[:SHORT]}  {verb} {where or 'nowhere: it is empty'}{parked}"

    def _changes(self, effects: Effects) -> None:
        for (event_id, _), poison in effects.refused.items():
            line = f"\n{plain(event_id)} would be parked by the worker: {plain(str(poison))}"
            self._out.print(Text(line, style="red"), soft_wrap=True)
        for event_id, _ in sorted(effects.known):
            self._out.print(Text(f"\n{plain(event_id)} is in the mirror already."), soft_wrap=True)
        if not effects.changes:
            self._out.print("\nNo row would change.")
            return
        for change in effects.changes[:SHOWN_CHANGES]:
            key = " ".join(f"{name}={value}" for name, value in change.key.items())
            self._out.print(Text(f"\n{change.table}  {plain(key)}  ({_kind(change)})", style="bold"))
            self._out.print(self._columns(change))
        if (more := len(effects.changes) - SHOWN_CHANGES) > 0:
            self._out.print(f"… and {more} more rows; --json has them all", style="dim")

    @staticmethod
    def _columns(change: RowChange) -> Table:
        table = Table(show_header=False, **TABLE)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold", style="dim")
        table.add_column()
        table.add_column(overflow="fold")
        for name, (before, after) in change.columns.items():
            table.add_row(
                f"  {name}",
                Text("-" if before is None else plain(str(before))),
                "→",
                Text("-" if after is None else plain(str(after))),
            )
        return table
