"""Counts while a simulation runs, and the summary at its end."""

import math
from collections import Counter

from rich.table import Table

from connector.simulator.journal import JournalEntry

# Latencies are counted in buckets that are 2 % wide, so a run of any length needs little memory.
BUCKET = math.log(1.02)
REDIRECTS = range(300, 400)
SHOUTS = {
    301: "The receiver redirects. XTND follows as a GET without the body and counts it as delivered: LOST.",
    401: "The receiver answers 401: it knows another secret than the one that signs here.",
    404: "The receiver answers 404: the path of the URL names no hook.",
    410: "The receiver answers 410: XTND gives up at once and sends this hook nothing more.",
}


class Tally:
    """How the run goes. A delivery is given up when its last attempt failed; duplicates are extra."""

    def __init__(self) -> None:
        self.sent = 0
        self.acknowledged = 0
        self.retried = 0
        self.duplicates = 0
        self.given_up = 0
        self.withheld = 0
        self.unfinished = 0
        self.answers: Counter[str] = Counter()
        self.seconds = 0.0
        self.max_ms = 0.0
        self._latencies: Counter[int] = Counter()
        self._shouted: set[int] = set()

    @property
    def settled(self) -> int:
        """Deliveries whose outcome is known."""
        return self.acknowledged + self.given_up + self.unfinished + self.withheld

    @property
    def attempts(self) -> int:
        return self.answers.total()

    def attempt(self, entry: JournalEntry) -> str | None:
        """Count one attempt; the first of each grave kind returns a sentence to shout."""
        self.answers[str(entry.status) if entry.status else entry.error.split(":")[0]] += 1
        self.retried += entry.kind == "retry"
        self.duplicates += entry.kind == "duplicate"
        self._latencies[math.ceil(math.log(max(entry.latency_ms, 0.001)) / BUCKET)] += 1
        self.max_ms = max(self.max_ms, entry.latency_ms)
        kind = 301 if entry.status in REDIRECTS else entry.status
        if kind not in SHOUTS or kind in self._shouted:
            return None
        self._shouted.add(kind)
        return SHOUTS[kind]

    def percentile(self, share: float) -> float:
        """Latency in milliseconds that this share of attempts did not exceed; to 2 %."""
        left = math.ceil(share * self.attempts)
        for bucket in sorted(self._latencies):
            left -= self._latencies[bucket]
            if left <= 0:
                return min(math.exp(bucket * BUCKET), self.max_ms)
        return 0.0

    def line(self, total: int) -> str:
        """The progress of the run, in one line."""
        done = f"{self.settled:,} of {total:,} deliveries, {self.acknowledged:,} acknowledged"
        return f"{done}, {self.retried:,} retries, {self.given_up:,} given up"

    def table(self) -> Table:
        """Build the summary for people."""
        table = Table(title="Simulation", show_header=False)
        rate = self.attempts / self.seconds if self.seconds else 0.0
        latency = (
            f"p50 {self.percentile(0.5):.1f} · p99 {self.percentile(0.99):.1f} · max {self.max_ms:.1f} ms"
        )
        answers = ", ".join(f"{answer}: {count:,}" for answer, count in sorted(self.answers.items()))
        rows = {
            "deliveries sent": f"{self.sent:,}",
            "acknowledged": f"{self.acknowledged:,}",
            "retries": f"{self.retried:,}",
            "duplicates": f"{self.duplicates:,}",
            "given up": f"{self.given_up:,}",
            "withheld": f"{self.withheld:,}",
            "stopped before an answer": f"{self.unfinished:,}",
            "answers": answers or "none",
            "latency": latency,
            "time and rate": f"{self.seconds:.1f} s, {rate:,.0f} attempts/s",
        }
        for name, value in rows.items():
            table.add_row(name, value)
        return table
