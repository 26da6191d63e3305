"""What an answer of the API means, and with which words a person reads of it."""

import html
import json
from typing import Literal, NamedTuple
from urllib.parse import quote

from connector.config.source_models import TOO_MANY_REQUESTS, SourceSettings
from connector.errors import Poison
from connector.hydrator.ports import Answer
from connector.hydrator.record import Records, Unreadable
from connector.safe_text import plain

OK, REDIRECTS, CLIENT_ERRORS, UNAUTHORIZED = 200, range(300, 400), range(400, 500), 401
QUOTED_LETTERS = 200
HIDDEN = "[login]"
LOGIN_FIX = "Set XTND_API_USER and XTND_API_PASSWORD to a login that may read it, and start again."
URL_FIX = "Set XTND_API_URL to the address that answers itself."
# A shorter secret may stand in any text, so where one does, nothing of the text is quoted.
SHORT_LETTERS = 4
PUBLIC_HEADERS = frozenset({"accept", "accept-language", "user-agent"})

# ``login``: the login is wrong. ``forbidden``: it may not read these records. ``refused``: one key's trouble.
Kind = Literal["record", "missing", "away", "limited", "login", "forbidden", "unreadable", "refused"]
Reason = Literal[
    "answer-too-large",
    "key-not-askable",
    "record-not-storable",
    "record-too-large",
    "record-unreadable",
    "request-refused",
]


class Verdict(NamedTuple):
    """What became of one request.

    ``text`` is a sentence for people, ``record`` what leaves of the answer, ``reason`` that of a dead letter
    if it stays so.
    """

    kind: Kind
    text: str = ""
    record: bytes = b""
    reason: Reason = "request-refused"


class Judge:
    """Judges answers by ``sources.yaml``; nothing that it says holds any part of the login."""

    def __init__(self, sources: SourceSettings) -> None:
        self._sources = sources
        self._secrets = self._forms_of_login()

    def verdict(self, records: Records, key: str, answer: Answer) -> Verdict:
        """What the answer to the request for a key means."""
        if answer.status == OK:
            return self._of_record(records, key, answer)
        return self.failure(records, answer)

    def failure(self, records: Records, answer: Answer) -> Verdict:
        """What an answer means whose status is not 200."""
        status, body = answer.status, answer.body.decode(errors="replace")
        what = f"The API answers {status} {self._shown(self.hidden(body))}".rstrip()
        match self._sources.reaction(status, body):
            case "retry":
                return Verdict("limited" if status == TOO_MANY_REQUESTS else "away", f"{what}.")
            case "gone":
                return Verdict("missing", f"{what}.")
            case "refuse":
                kind: Kind = "login" if status == UNAUTHORIZED else "forbidden"
                return Verdict(kind, f"{what} for {records.bucket}. {LOGIN_FIX}")
        if status in REDIRECTS:
            # Where to is not repeated: an address may hold anything.
            return Verdict("away", f"The API answers {status}, a redirect, which is not followed. {URL_FIX}")
        if status in CLIENT_ERRORS:
            return Verdict("refused", f"{what}.")
        return Verdict("unreadable", f"{what}, which is no record.", reason="record-unreadable")

    def passes(self, records: Records, answer: Answer) -> bool:
        """Whether an answer that is not 200 is that of an API that is away or busy."""
        return self.failure(records, answer).kind in ("away", "limited")

    def hidden(self, text: str) -> str:
        """The text in one line, with the login hidden."""
        for secret in self._secrets:
            if len(secret) < SHORT_LETTERS and secret in text:
                return HIDDEN
            text = text.replace(secret, HIDDEN)
        return plain(text)

    def _of_record(self, records: Records, key: str, answer: Answer) -> Verdict:
        try:
            record = records.record(key, answer.body)
        except Unreadable as error:
            kind = self.hidden(answer.headers.get("content-type", "no content type"))[:80]
            what = f"The answer is not the record: {self.hidden(str(error))} ({kind})."
            return Verdict("unreadable", what, reason="record-unreadable")
        except Poison as poison:
            return Verdict("refused", self.hidden(poison.error), reason="record-not-storable")
        if record is None:
            return Verdict("missing", "The list that the API answers with is empty.")
        return Verdict("record", record=record)

    @staticmethod
    def _shown(body: str) -> str:
        """The start of an error's body; a page has nothing to say."""
        text = " ".join(body.split())
        return "(a page of HTML)" if text.startswith("<") else text[:QUOTED_LETTERS]

    def _forms_of_login(self) -> list[str]:
        """The parts of the login in each form in which an answer may repeat them; the longest first."""
        found: set[str] = set()
        login = self._sources.login
        pair = [] if login is None else [login.user, login.password]
        texts = [one.get_secret_value() for one in pair if one is not None]
        headers = self._sources.request_headers.items()
        texts += [value for name, value in headers if name.lower() not in PUBLIC_HEADERS]
        # Of "Basic …", what stands behind the scheme.
        for text in (*texts, *(one.rpartition(" ")[2] for one in texts)):
            found |= {text, quote(text), quote(text, safe=""), html.escape(text), json.dumps(text)[1:-1]}
        return sorted(filter(None, found), key=len, reverse=True)
