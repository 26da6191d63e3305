"""The shape of ``sources.yaml``: where whole records are fetched, how fast, and what of them is kept.

Settings have the names that declarative REST sources use. What is known of XTND's API, which the shipped
file follows, stands in docs/records.md.
"""

import base64
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from connector.config.yaml_types import (
    ActionName,
    EntityName,
    HeaderName,
    HookName,
    Model,
    Name,
    ParameterName,
    PartName,
    Path,
    Seconds,
    Shop,
)

Reaction = Literal["retry", "gone", "refuse"]
PerMinute = Annotated[int, Field(ge=1, le=10_000_000)]
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
TOO_MANY_REQUESTS, SERVER_ERRORS = 429, 500


def resource(path: str) -> str:
    """What a limit counts together: the first part of a path, as ``Products`` in ``Products/{number}``."""
    return re.split(r"[/?]", path, maxsplit=1)[0]


class Login(Model):
    """What proves who asks; as text or in files, as container secrets are."""

    header: HeaderName = "Authorization"
    user: SecretStr | None = None
    user_file: str | None = None
    password: SecretStr | None = None
    password_file: str | None = None

    @property
    def value(self) -> str | None:
        """The header's value, a secret: ``Basic`` and base64 of ``user:password``; None without both."""
        if self.user is None or self.password is None:
            return None
        pair = f"{self.user.get_secret_value()}:{self.password.get_secret_value()}"
        return "Basic " + base64.b64encode(pair.encode()).decode()


class Rate(Model):
    """Requests per minute and resource. What answers say about the limit counts for more."""

    requests_per_minute: PerMinute = 300
    # Resources whose limit is another one.
    buckets: dict[str, PerMinute] = Field(default_factory=dict)
    # Headers of answers: the limit, how many requests are left, and until when (seconds since 1970).
    limit_header: HeaderName | None = None
    remaining_header: HeaderName | None = None
    reset_header: HeaderName | None = None
    # What backfill, sweep and audit may use of it while hooks ask for records.
    background_share: Annotated[float, Field(ge=0.01, le=1)] = 0.5

    def limit(self, bucket: str) -> int:
        """Requests per minute for a ``resource``, as long as no answer says otherwise."""
        return self.buckets.get(bucket, self.requests_per_minute)


class ResponseAction(Model):
    """What an answer means, by its status and, where given, by a text anywhere in its body.

    That of 200 is the record. ``retry``: the API cannot answer now. ``gone``: there is no such record.
    ``refuse``: the login is not accepted, and nothing more is asked until it is another one.
    """

    status: tuple[Annotated[int, Field(ge=201, le=599)], ...] = Field(min_length=1)
    # Any of these, in upper or lower case. Empty: whatever the body says.
    body: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    action: Reaction

    def fits(self, status: int, body: str) -> bool:
        folded = body.casefold()
        return status in self.status and (
            not self.body or any(text.casefold() in folded for text in self.body)
        )


class Paginator(Model):
    """How a list is read page by page: by a number from 1 (``page_number``) or from 0 (``page_index``)."""

    type: Literal["page_number", "page_index"]
    page_param: ParameterName
    # The parameter for the rows of a page, where there is one, and how many they are.
    size_param: ParameterName | None = None
    size: int | None = Field(None, ge=1, le=100_000)
    # Where an answer says how many pages there are; without it the list ends with an empty page.
    total_path: Path | None = None
    # A list that is longer never ends.
    max_pages: int = Field(100_000, ge=1)

    @property
    def first(self) -> int:
        return 1 if self.type == "page_number" else 0


class Incremental(Model):
    """How a list is asked for what changed. Instants are sent as UTC without a zone."""

    start_param: ParameterName
    end_param: ParameterName | None = None
    # How far before its start a window is asked for: a list is no snapshot.
    overlap_hours: Annotated[float, Field(ge=0, le=8784)] = 24
    # ``day``: the API ignores the time of day, so a window starts a day earlier and ends a day later.
    granularity: Literal["second", "day"] = "second"
    # When a row of the list last changed, where it says so.
    changed_path: Path | None = None


class Listing(Model):
    """The list of an entity's records."""

    path: str
    # Where the rows stand in an answer; without it the answer is the array of rows.
    data_selector: Path | None = None
    # Part of the key → where a row has it.
    key: dict[PartName, Path] = Field(min_length=1)
    paginator: Paginator
    incremental: Incremental | None = None
    # How often it is asked for what changed since (the sweep), where it has a change filter.
    sweep_minutes: Annotated[float, Field(gt=0, le=1440)] | None = 15
    # How often it is read whole besides, for what no change filter finds.
    full_scan_hours: Annotated[float, Field(gt=0, le=8784)] | None = None
    # Whether its rows are the records themselves, so that none is fetched alone.
    rows_are_records: bool = False


class Sign(Model):
    """Where a record says that something happened, in any object of arrays on the way."""

    path: Path
    # With which texts; empty: with any value.
    texts: tuple[Annotated[str, Field(min_length=1)], ...] = ()


class Implied(Model):
    """Hooks that a record implies: one that never came is lost."""

    # Since when the record is there: what is older than the first sweep implies nothing.
    created_path: Path
    actions: dict[ActionName, Sign] = Field(min_length=1)


class EntitySettings(Model):
    """The records of one family: ``<entity>Snapshot`` and ``<entity>Gone`` are made of them."""

    entity: EntityName
    # Actions of the family whose hooks say that the record is another one now.
    wanted_on: tuple[ActionName, ...] = ()
    # Path, and query if there is one, below ``base_url``; ``{part}`` stands for a part of the key.
    get: str
    # Where the record stands in the answer, which then is a list of which it is the one row with the key.
    data_selector: Path | None = None
    # Part of the key → where a record has it; in the order of the hooks' entity key.
    key: dict[PartName, Path] = Field(min_length=1)
    # How long after a hook its record is fetched: what else happens meanwhile costs no further request.
    settle_seconds: Annotated[float, Field(ge=0, le=86_400)] = 2
    # How long after that it is fetched once more, for an API that answers with the former record at first.
    again_after_seconds: Seconds | None = None
    # How long an answer that there is no such record must last until it is believed.
    gone_after_seconds: Annotated[float, Field(ge=0, le=86_400)] = 60
    # Column of a table of hooks, as table.column → where a record has the same; the audit compares them.
    reported: dict[str, Path] = Field(default_factory=dict)
    implied: Implied | None = None
    list: Listing | None = None


class SourceSettings(Model):
    """The API of which the records are; off while ``base_url`` is empty."""

    name: HookName = "xtnd"
    # Whose records they are, where the tables tell shops apart.
    shop: Shop | None = None
    base_url: Annotated[str, AfterValidator(lambda url: url.rstrip("/"))] = ""
    login: Login | None = None
    # Sent with each request. Any may be a secret.
    headers: dict[HeaderName, SecretStr] = Field(default_factory=dict)
    timeout_seconds: Seconds = 120
    max_body_bytes: int = Field(3_145_728, ge=1024)
    rate: Rate = Rate()
    response_actions: tuple[ResponseAction, ...] = ()
    # What of records never leaves the process that fetches them.
    exclude: tuple[Path, ...] = ()
    entities: dict[Name, EntitySettings] = Field(min_length=1)

    @property
    def request_headers(self) -> dict[str, str]:
        """All headers of a request, the login's among them: secrets, for no log."""
        found = {name: value.get_secret_value() for name, value in self.headers.items()}
        if self.login is not None and (value := self.login.value) is not None:
            found[self.login.header] = value
        return found

    def reaction(self, status: int, body: str) -> Reaction | None:
        """What an answer means that is not the record; None: this record's request is wrong.

        The first of ``response_actions`` that fits, else ``retry`` for 429 and 5xx.
        """
        for one in self.response_actions:
            if one.fits(status, body):
                return one.action
        return "retry" if status == TOO_MANY_REQUESTS or status >= SERVER_ERRORS else None
