"""What works and is probably not meant: settings without effect, hooks that share tables, open logins."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from connector.config import table_kinds
from connector.config.findings import nearest
from connector.config.models import Config
from connector.config.source import Document
from connector.errors import Finding

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def take_former(document: Document) -> list[Finding]:
    """Take out settings of connector 0.1 that no longer do anything, whatever they say; until 1.0."""
    worker = document.data.get("worker")
    if not isinstance(worker, dict) or "dead_letter_limit" not in worker:
        return []
    where = document.where(("worker", "dead_letter_limit"))
    del worker["dead_letter_limit"]
    what = "worker.dead_letter_limit has no effect any more: dead letters never stop a worker"
    cure = "Remove it; worker.rehearsal is what stops a tables.yaml that does not fit."
    return [Finding(where, what, cure)]


class Cautions:
    """Looks at a configuration that is right, and at where its parts stand in the document."""

    def __init__(self, config: Config, document: Document) -> None:
        self._config = config
        self._document = document

    def findings(self) -> Iterator[Finding]:
        """Yield every warning."""
        yield from self._shared_tables()
        yield from self._unknown_entities()
        yield from self._open_login()

    def _shared_tables(self) -> Iterator[Finding]:
        """Hooks of which none names a shop, and whose events meet in the same rows: order 9001 is one row.

        Where they name several, ``checks`` wants a decision. Rows of a history are identified by their event,
        and those with the hook in their key by that.
        """
        config = self._config
        if config.mirror.key_by_shop is not None or any(hook.shop for hook in config.hooks.values()):
            return
        shared: dict[tuple[str, ...], list[str]] = {}
        for name, table in config.tables.items():
            if not table.actions:
                continue  # of a source, which is of one shop
            families = {family for family, action, _ in config.actions() if action in table.actions}
            # Those that may bring an action of this table.
            hooks = tuple(
                hook
                for hook, settings in config.hooks.items()
                if settings.families is None or not families.isdisjoint(settings.families)
            )
            apart = bool(table_kinds.KINDS[table.kind].key) or any(
                source.event == "hook" for source in table.key.values()
            )
            if len(hooks) > 1 and not apart:
                shared.setdefault(hooks, []).append(name)
        for hooks, tables in shared.items():
            named = " and ".join(map(repr, hooks))
            what = (
                f"the hooks {named} write the same tables ({', '.join(tables)}): what has one key is one row"
            )
            cure = (
                "Where the hooks are of different shops, name the shop of each with hooks.<name>.shop, and "
                "write mirror: {key_by_shop: true}; where they are of one, mirror: {key_by_shop: false}."
            )
            yield Finding(self._document.where(("hooks", hooks[1])), what, cure)

    def _unknown_entities(self) -> Iterator[Finding]:
        """Entities that hooks and tables call otherwise: each event has the name, so a slip of it stays."""
        config = self._config
        if config.sources is None:
            return
        actions = [action for _, action, _ in config.actions()]
        for family, entity in config.sources.entities.items():
            name = entity.entity
            tables = {table.partition("_")[0] for table, one in config.tables.items() if one.of == family}
            if any(action.startswith(name) for action in actions) or name.lower() in tables:
                continue
            # The words that the family's hooks start with, and those of its tables.
            of_family = config.topics.families[family].actions if family in config.topics.families else ()
            words = {found[0] for action in of_family if (found := re.match(r"[A-Z][a-z0-9]*", action))}
            what = f"no action of topics.yaml, and no table of its records, starts with the entity {name!r}"
            cure = nearest(name, words | {table.capitalize() for table in tables} or {family.capitalize()})
            yield Finding(self._document.where(("sources", "entities", family, "entity")), what, cure)

    def _open_login(self) -> Iterator[Finding]:
        """A login that goes over the network for everybody on the way to read."""
        sources = self._config.sources
        if sources is None or urlsplit(sources.base_url).scheme == "https":
            return
        if urlsplit(sources.base_url).hostname not in LOOPBACK:
            what = "sources.base_url (XTND_API_URL) is http: the login and all records are sent unencrypted"
            yield Finding(
                self._document.where(("sources", "base_url")), what, "Write https://… unless it is a test."
            )
