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


def forgive(document: Document, unused: Collection[str]) -> set[str]:
    """Let variables be missing that hold the secrets of sections which a command does not use.

    Returns the sections, of ``hooks``, ``kafka`` and ``database``, that lack one.
    """
    absent = set()
    for location in list(document.unset):
        section = str(location[0])
        hooks = section == "hooks" and location[2:3] in (("secrets",), ("secret_files",))
        if section in unused and (hooks or location in OTHERS):
            del document.unset[location]
            absent.add(section)
            if location == ("database", "url"):
                document.put(location, "")
    return absent


def take(document: Document, *, with_secrets: bool) -> list[Finding]:
    """Bring secrets into the form that the models take; returns what is odd about them.

    ``with_secrets`` is False for a process that verifies no deliveries: no file is read then.
    Raises ``ConfigError`` for a file that cannot be read.
    """
    _keep_text(document)
    odd: list[Finding] = []
    hooks = document.data.get("hooks")
    for name, hook in hooks.items() if isinstance(hooks, dict) else ():
        if isinstance(hook, dict):
            odd += _take_hook(document, name, hook, with_secrets=with_secrets)
    document.raise_findings()
    for section, key in OTHERS:
        settings = document.data.get(section)
        if isinstance(settings, dict) and isinstance(settings.get(key), str):
            settings[key] = secret_text.without_accidents(settings[key])
            odd += _odd(document, (section, key), f"{section}.{key}", settings[key])
    return odd


def _keep_text(document: Document) -> None:
    """Take what variables say for secrets as text, also where it looks like a number."""
    for location, text in document.substituted.items():
        match location:
            case (
                ("hooks", _, "secrets", _)
                | ("kafka", "sasl_username" | "sasl_password")
                | ("database", "url")
            ) if text:
                document.put(location, text)


def _take_hook(document: Document, name: str, hook: dict[str, Any], *, with_secrets: bool) -> list[Finding]:
    """Put the text of each secret file among the hook's secrets; drop empty entries."""
    secrets, files = hook.get("secrets", []), hook.get("secret_files", [])
    if not isinstance(secrets, list) or not isinstance(files, list):
        return []
    odd: list[Finding] = []
    subject = f"a secret of the hook {name!r}"
    secrets = [_clean(secret) for secret in secrets]
    if with_secrets:
        for index, secret in enumerate(secrets):
            odd += _odd(document, ("hooks", name, "secrets", index), subject, secret)
        for index, file in enumerate(files):
            at = ("hooks", name, "secret_files", index)
            if file and (secret := _read(document, at, str(file))):
                secrets.append(secret)
                odd += _odd(document, at, subject, secret, f"the file {file}")
    hook["secrets"] = [secret for secret in secrets if secret not in ("", None)]
    hook["secret_files"] = [file for file in files if file]
    return odd


def _clean(value: Any) -> Any:
    return secret_text.without_accidents(value) if isinstance(value, str) else value


def _read(document: Document, at: Location, file: str) -> str:
    """The secret in a file; empty, with a finding in the document, when it cannot be read."""
    try:
        return secret_text.read(Path(file))
    except (OSError, ValueError) as error:
        what = f"the secret file {file} cannot be read: {getattr(error, 'strerror', None) or error}"
        document.findings.append(Finding(document.where(at), what, "Create it, or take it off the list."))
        return ""


def _odd(document: Document, at: Location, subject: str, text: Any, place: str = "") -> list[Finding]:
    """At most one finding about a secret, without any part of it."""
    oddities = secret_text.oddities(text) if isinstance(text, str) else []
    if not oddities:
        return []
    variable = document.variables.get(at)
    place = place or (f"the variable {variable}" if variable else "this file")
    what = f"{subject}, from {place}, has {' and '.join(oddities)}"
    return [Finding(document.where(at), what, "It is taken to the letter; remove that if it is not meant.")]
