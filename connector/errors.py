"""Every error of the connector, grouped by the reaction that it needs.

::

    ConnectorError
    ├── ConfigError      a person fixes the YAML or the environment; refused at start
    ├── Outage           wait, with growing pauses, indefinitely; nothing is skipped
    │   ├── KafkaOutage
    │   ├── SpoolOutage
    │   └── DatabaseOutage
    │       ├── ArchiveAway       what events say cannot be read, or written, where archives are
    │       └── StatementTimeout  the database ended a statement; a batch is split
    ├── Poison           this one event can never succeed; dead letter, neighbours go on
    ├── RecordRefused    Kafka never takes this record as it is; set it aside, neighbours go on
    ├── Defect           a bug, or a change by somebody else; stop the process loudly, offsets kept
    │   └── SchemaMoved  another process changed the mirror's schema; restart to follow
    └── StartupError     something outside is missing at start; says what fixes it
        └── DatabaseDamaged  what the database holds cannot be read; stop loudly, say how to recover

A library's own errors are translated into these in one place per library:
``connector.mirror`` for the database, ``connector.kafka`` for Kafka.
"""

from dataclasses import dataclass

from typing_extensions import override


class ConnectorError(Exception):
    """Something went wrong in the connector."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with the configuration.

    ``where`` is ``file:line`` (or the name of an environment variable), ``what`` is the fault there, ``cure``
    what to write instead.
    """

    where: str
    what: str
    cure: str = ""

    @override
    def __str__(self) -> str:
        cure = f" {self.cure}" if self.cure else ""
        return f"{self.where}: {self.what}.{cure}"


class ConfigError(ConnectorError):
    """The configuration is invalid; each finding names file, line, fault and fix."""

    def __init__(self, findings: list[Finding]) -> None:
        self.findings = findings
        super().__init__("\n".join(str(finding) for finding in findings))


class Outage(ConnectorError):
    """Something that this process needs is away; wait and try again."""


class KafkaOutage(Outage):
    """The broker does not answer, or did not acknowledge in time."""


class SpoolOutage(Outage):
    """The gateway's spool is full, or its disk refuses."""


class DatabaseOutage(Outage):
    """The database does not answer, is full, or asks to try again."""


class ArchiveAway(DatabaseOutage):
    """The folder or service that has the archives does not answer."""


class EventsKnown(DatabaseOutage):
    """The ledger holds an event that was taken for new; the next look into it finds the event."""


class StatementTimeout(DatabaseOutage):
    """The database ended a statement before it was done: it took longer than its limit."""


class Poison(ConnectorError):
    """This event can never be mirrored as it is.

    ``reason`` is a stable short code that one can filter by; ``error`` is a sentence that names
    the field and the fix.
    """

    def __init__(self, reason: str, error: str) -> None:
        self.reason = reason
        self.error = error
        super().__init__(f"{reason}: {error}")


class RecordRefused(ConnectorError):
    """Kafka can never take this record as it is: it is larger than its topic allows."""


class AlreadyThere(Poison):
    """A row that was inserted as new exists already."""

    def __init__(self, error: str) -> None:
        super().__init__("database-refused", error)


class Defect(ConnectorError):
    """A bug in this program, or a state that it must not go on from."""


class SchemaMoved(Defect):
    """The mirror's schema was changed by a process with another configuration.

    Restart this process with the same configuration as the newest one.
    """


class StartupError(ConnectorError):
    """A start is not possible; ``cure`` names the command or setting that fixes it."""

    def __init__(self, what: str, cure: str) -> None:
        self.what = what
        self.cure = cure
        super().__init__(f"{what}\n  Fix: {cure}")


class DatabaseDamaged(StartupError):
    """What the database holds cannot be read back: waiting does not help; a person must act."""


def named(error: BaseException | None) -> str:
    """The error's kind and text; the kind once, where the text starts with it as kafka-python's does."""
    kind, text = type(error).__name__, str(error)
    return text if text.startswith(f"{kind}:") else f"{kind}: {text}"
