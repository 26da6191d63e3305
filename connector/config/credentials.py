"""The secrets in a configuration: text to the letter, out of YAML, variables and files.

Nothing here puts any part of a secret into a finding.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from connector.config import secret_text
from connector.config.source import Document, Location
from connector.errors import Finding

# Beside the hooks' secrets; a user name is none, but a line end in it spoils a login just as well.
OTHERS = (("kafka", "sasl_username"), ("kafka", "sasl_password"), ("database", "url"))


class Credentials:
    """The secrets of a document; ``odd`` is filled with what of them is seldom meant."""

    def __init__(self, document: Document) -> None:
        self.odd: list[Finding] = []
        self._document = document

    def forgive(self, unused: Collection[str]) -> set[str]:
        """Let variables be missing that hold the secrets of sections which a command does not use.

        Returns the sections, of ``hooks``, ``kafka``, ``database`` and ``sources``, that lack one.
        """
        absent = set()
        for location in list(self._document.unset):
            section = str(location[0])
            hooks = section == "hooks" and location[2:3] in (("secrets",), ("secret_files",))
            login = section == "sources" and location[1:2] in (("login",), ("headers",))
            if section in unused and (hooks or login or location in OTHERS):
                del self._document.unset[location]
                absent.add(section)
                if location == ("database", "url"):
                    self._document.put(location, "")
        return absent

    def take(self, *, with_secrets: bool, with_login: bool = False) -> None:
        """Bring secrets into the form that the models take.

        ``with_secrets`` is False for a process that verifies no deliveries, ``with_login`` for one that
        fetches no records: their files are not read then.
        Raises ``ConfigError`` for a file that cannot be read.
        """
        data = self._document.data
        # What variables say is text, also where it looks like a number.
        for location, text in self._document.substituted.items():
            match location:
                case (
                    ("hooks", _, "secrets", _)
                    | ("kafka", "sasl_username" | "sasl_password")
                    | ("database", "url")
                    | ("sources", "login", "user" | "password")
                    | ("sources", "headers", _)
                ) if text:
                    self._document.put(location, text)
        hooks = data.get("hooks")
        for name, hook in hooks.items() if isinstance(hooks, dict) else ():
            if isinstance(hook, dict):
                self._take_hook(name, hook, with_secrets=with_secrets)
        if isinstance(sources := data.get("sources"), dict):
            self._take_sources(sources, with_login=with_login)
        self._document.raise_findings()
        for section, key in OTHERS:
            settings = data.get(section)
            if isinstance(settings, dict) and isinstance(settings.get(key), str):
                settings[key] = secret_text.without_accidents(settings[key])
                self._note((section, key), f"{section}.{key}", settings[key])

    def _take_hook(self, name: str, hook: dict[str, Any], *, with_secrets: bool) -> None:
        """Put the text of each secret file among the hook's secrets; drop empty entries."""
        secrets, files = hook.get("secrets", []), hook.get("secret_files", [])
        if not isinstance(secrets, list) or not isinstance(files, list):
            return
        subject = f"a secret of the hook {name!r}"
        secrets = [_clean(secret) for secret in secrets]
        if with_secrets:
            for index, secret in enumerate(secrets):
                self._note(("hooks", name, "secrets", index), subject, secret)
            for index, file in enumerate(files):
                at = ("hooks", name, "secret_files", index)
                if file and (secret := self._read(at, str(file))):
                    secrets.append(secret)
                    self._note(at, subject, secret, f"the file {file}")
        hook["secrets"] = [secret for secret in secrets if secret not in ("", None)]
        hook["secret_files"] = [file for file in files if file]

    def _take_sources(self, sources: dict[str, Any], *, with_login: bool) -> None:
        """Put the texts of the login's files in their places; drop headers without a value."""
        sources["base_url"] = _clean(sources.get("base_url")) or ""
        if isinstance(headers := sources.get("headers"), dict):
            sources["headers"] = {
                name: _clean(text) for name, text in headers.items() if text not in ("", None)
            }
        login: Any = sources.get("login")
        for name in ("user", "password") if isinstance(login, dict) else ():
            at: Location = ("sources", "login", name)
            text, file, place = _clean(login.get(name)) or None, login.get(f"{name}_file"), ""
            if file and text is not None:
                what = f"sources.login.{name} is given as text and as a file"
                self._document.findings.append(Finding(self._document.where(at), what, "Keep one of them."))
            elif file and isinstance(file, str) and with_login and sources["base_url"]:
                text = self._read((*at[:-1], f"{name}_file"), file) or None
                place = f"the file {file}"
            login[name] = text
            self._note(at, f"sources.login.{name}", text, place)

    def _read(self, at: Location, file: str) -> str:
        """The secret in a file; empty, with a finding in the document, when it cannot be read."""
        try:
            return secret_text.read(Path(file))
        except (OSError, ValueError) as error:
            what = f"the secret file {file} cannot be read: {getattr(error, 'strerror', None) or error}"
            where = self._document.where(at)
            self._document.findings.append(Finding(where, what, "Create it, or do not name it."))
            return ""

    def _note(self, at: Location, subject: str, text: Any, place: str = "") -> None:
        """Name what is odd about a secret, without any part of it."""
        if isinstance(text, str) and (oddities := secret_text.oddities(text)):
            variable = self._document.variables.get(at)
            place = place or (f"the variable {variable}" if variable else "this file")
            what = f"{subject}, from {place}, has {' and '.join(oddities)}"
            cure = "It is taken to the letter; remove that if it is not meant."
            self.odd.append(Finding(self._document.where(at), what, cure))


def _clean(value: Any) -> Any:
    return secret_text.without_accidents(value) if isinstance(value, str) else value
