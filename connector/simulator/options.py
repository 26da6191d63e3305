"""What a simulation is asked to do, and the checks before it starts."""

import asyncio
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from rich.console import Console

from connector.config import Config
from connector.errors import StartupError
from connector.safe_text import plain
from connector.simulator.api.quirks import ApiOptions, Quirk

CONNECT_TIMEOUT_SECONDS = 5.0
TO_SIGN = "Set XTND_WEBHOOK_SECRET, or give --secret-file FILE (make up keeps it in data/webhook-secret)."
NOT_THERE = "Start the receiver first (make up, or connector gateway), or give another URL with --url."


@dataclass(frozen=True, slots=True, kw_only=True)
class PastOptions:
    """A history of so many ``days`` that goes to the Kafka of ``config``, in the name of its hook.

    ``folder`` is the demo whose Kafka that is.
    """

    days: int
    config: Config
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulateOptions:
    """One run of the simulator.

    ``deliveries`` counts different deliveries, duplicates not included. ``rate`` is deliveries per
    second, 0 as fast as it goes; the first ``burst`` ones do not wait for it. ``disorder`` and
    ``duplicates`` are shares from 0 to 1. ``time_scale`` stretches XTND's retry pauses (60 s, 240 s);
    ``timeout_seconds`` is the longest wait for an answer and is not scaled. ``journal`` is overwritten.
    ``withheld`` is the share of deliveries that are never sent, ``deleted`` that of the shop's records
    that are deleted at some time. ``resume`` is a file that keeps how many deliveries have left, so that
    the next run goes on after them. The shop starts with its ``past``, where one is given; ``deliveries``
    follow it, and may be none. With an ``api_port`` (0: any free one) the shop's API answers there, as
    ``api`` says, until it is stopped.
    """

    url: str
    secret: str = field(repr=False)
    seed: int = 1
    deliveries: int = 1000
    rate: float = 0.0
    burst: int = 0
    disorder: float = 0.0
    duplicates: float = 0.0
    parallel: int = 8
    time_scale: float = 1.0
    timeout_seconds: float = 100.0
    expect_continue: bool = True
    journal: Path | None = None
    withheld: float = 0.0
    deleted: float = 0.0
    resume: Path | None = None
    past: PastOptions | None = None
    api_port: int | None = None
    api: ApiOptions = field(default_factory=ApiOptions)

    def check(self) -> SplitResult:
        """Return the callback URL in parts; raise ``StartupError`` for an invalid option."""
        for name in ("disorder", "duplicates", "withheld", "deleted"):
            share = getattr(self, name)
            if not 0 <= share <= 1:
                raise StartupError(
                    f"--{name} is {share}; it is a share.", f"Give --{name} from 0 to 1, such as 0.1."
                )
        for name, least in (("deliveries", 0 if self.past else 1), ("parallel", 1)):
            if getattr(self, name) < least:
                raise StartupError(f"--{name} is {getattr(self, name)}.", f"Give --{name} {least} or more.")
        if self.past and self.journal:
            what = "A journal says what was posted, and the days of --days are not."
            raise StartupError(what, "Leave out --journal or --days.")
        for name in ("rate", "time_scale"):
            if getattr(self, name) < 0:
                flag = name.replace("_", "-")
                raise StartupError(f"--{flag} is {getattr(self, name)}.", f"Give --{flag} 0 or more.")
        return target(self.url, self.secret)


def api_options(quirks: Iterable[str], rate: int) -> ApiOptions:
    """Options of the simulated API. Its login is ``XTND_API_USER`` and ``XTND_API_PASSWORD``, where set.

    ``rate`` is requests per minute and resource. Raises ``StartupError`` for a quirk that does not exist.
    """
    names = list(quirks)
    for name in names:
        if name not in set(Quirk):
            raise StartupError(f"There is no quirk {name!r}.", f"Give any of: {', '.join(Quirk)}.")
    usual = ApiOptions()
    return ApiOptions(
        user=os.environ.get("XTND_API_USER") or usual.user,
        password=os.environ.get("XTND_API_PASSWORD") or usual.password,
        quirks=frozenset(map(Quirk, names)),
        rate=rate,
    )


def target(url: str, secret: str) -> SplitResult:
    """Return the callback URL in parts; raise ``StartupError`` when it or the secret is missing."""
    if not secret:
        raise StartupError("There is no secret to sign with.", TO_SIGN)
    cure = "Give the callback URL, such as http://127.0.0.1:8080/webhooks/xtnd."
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        raise StartupError(f"{url!r} is no URL: {error}.", cure) from None
    if not usable:
        raise StartupError(f"{url!r} is no callback URL.", cure)
    return parts


async def require_listener(parts: SplitResult) -> None:
    """Open and close one connection; raises ``StartupError`` when nobody is there."""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
            _, writer = await asyncio.open_connection(parts.hostname, port)
    except (OSError, TimeoutError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "no answer"
        raise StartupError(f"Cannot connect to {parts.geturl()}: {why}.", NOT_THERE) from None
    writer.close()


def say(console: Console, text: str) -> None:
    """Print a line as it is: nothing in it is markup, and it is not folded."""
    console.print(plain(text), markup=False, highlight=False, soft_wrap=True)
