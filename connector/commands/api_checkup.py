"""The part of ``connector check`` that asks the API what the login may read; it changes nothing there."""

import asyncio
from collections.abc import Iterator
from urllib.parse import urlsplit

from connector.commands.checkup import CheckResult
from connector.config import Config, SourceSettings
from connector.config.source_models import resource
from connector.hydrator.ports import Answer, ApiOutage, OversizedAnswer
from connector.hydrator.resource_proof import first_page
from connector.hydrator.transport import open_transport
from connector.hydrator.verdict import Judge

OK = 200
# Of a check that somebody waits for; single requests of a fetch may take ``timeout_seconds``.
PATIENT_SECONDS = 30


def results(config: Config) -> Iterator[CheckResult]:
    """Look at the API, where one is configured and there is a login for it."""
    sources = config.sources
    if sources is not None and (sources.login is None or sources.login.value is not None):
        yield from ApiCheckup(sources).results()


class ApiCheckup:
    """One request for each list of ``sources.yaml``: for what changed since now, which is next to nothing."""

    def __init__(self, sources: SourceSettings) -> None:
        self._sources = sources.model_copy(
            update={"timeout_seconds": min(sources.timeout_seconds, PATIENT_SECONDS)}
        )
        self._judge = Judge(sources)

    def results(self) -> Iterator[CheckResult]:
        """Yield whether the API answers, and of each resource whether the login may read it."""
        where = f"API at {urlsplit(self._sources.base_url).hostname}"
        answers = asyncio.run(self._answers())
        outages = {str(one) for one in answers.values() if isinstance(one, ApiOutage)}
        if answers and len(outages) == 1 and all(isinstance(one, ApiOutage) for one in answers.values()):
            yield CheckResult(where, outages.pop(), "the hydrator waits for it; all else works without it")
            return
        yield CheckResult(where)
        for name, answer in answers.items():
            yield self._result(f"{where}: {name}", answer)

    def _result(self, what: str, answer: Answer | Exception) -> CheckResult:
        if isinstance(answer, OversizedAnswer):  # it may be read
            return CheckResult(f"{what} may be read")
        if isinstance(answer, Exception):
            return CheckResult(what, str(answer), "try again; the hydrator does so by itself", warns=True)
        if answer.status == OK:
            limit = answer.headers.get(str(self._sources.rate.limit_header).lower(), "")
            named = f", {limit} requests a minute" if limit.isascii() and limit.isdigit() else ""
            return CheckResult(f"{what} may be read{named}")
        text = self._judge.hidden(f"it answers {answer.status}")
        if self._sources.reaction(answer.status, answer.body.decode(errors="replace")) == "refuse":
            cure = "ask XTND for read access of this user, or remove the entity from sources.yaml"
            return CheckResult(what, f"{text}: the login may not read it", cure)
        return CheckResult(what, text, "compare path and parameters in sources.yaml with XTND's", warns=True)

    async def _answers(self) -> dict[str, Answer | Exception]:
        """What each resource answers, or why it does not."""
        paths = {resource(one.get): first_page(one) for one in self._sources.entities.values()}
        async with open_transport(self._sources) as transport:
            found = await asyncio.gather(
                *(transport.get(path) for path in paths.values()), return_exceptions=True
            )
        answers: dict[str, Answer | Exception] = {}
        for name, one in zip(paths, found, strict=True):
            if isinstance(one, BaseException) and not isinstance(one, ApiOutage | OversizedAnswer):
                raise one
            answers[name] = one
        return answers
