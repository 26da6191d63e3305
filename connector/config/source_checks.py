"""``sources.yaml``: what its models cannot see, in itself and beside the other files."""

import re
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from connector.config import paths, table_kinds
from connector.config.findings import Located, finding, nearest
from connector.config.models import Config
from connector.config.source import Location
from connector.config.source_models import PLACEHOLDER, EntitySettings, Listing, SourceSettings, resource

# A path and a query as a URL has them, with every placeholder taken out.
RESOURCE = re.compile(r"[A-Za-z0-9._~-][A-Za-z0-9._~/-]*(?:\?[A-Za-z0-9._~$=&/-]*)?")
# Settings of a list that name a query parameter.
PARAMETERS = (
    ("paginator", "page_param"),
    ("paginator", "size_param"),
    ("incremental", "start_param"),
    ("incremental", "end_param"),
)
# Headers that say how a request is sent, which its sender sets.
SENT_HEADERS = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "te",
        "transfer-encoding",
        "upgrade",
    }
)
LOGIN_CURE = "Set XTND_API_USER and XTND_API_PASSWORD, or XTND_API_USER_FILE and XTND_API_PASSWORD_FILE."


class SourcesChecks:
    """Errors of the API that records are fetched from."""

    def __init__(self, config: Config, sources: SourceSettings) -> None:
        self._config = config
        self._sources = sources

    def errors(self, *, with_login: bool) -> Iterator[Located]:
        """Yield every error; ``with_login`` is for a process that asks the API.

        What is off needs no login, and its entities need no families.
        """
        entities: dict[str, str] = {}
        for family, entity in self._sources.entities.items():
            checks = EntityChecks(self._config, family, entity)
            if (other := entities.setdefault(entity.entity, family)) != family:
                what = f"the entity {entity.entity!r} is that of {other!r} too"
                yield finding((*checks.at, "entity"), what, "Give each family a name of its own.")
            yield from checks.errors(self._sources.exclude)
            if self._sources.base_url:
                yield from checks.hooks()
                yield from checks.reported()
        resources = {resource(entity.get) for entity in self._sources.entities.values()}
        for bucket in sorted(self._sources.rate.buckets.keys() - resources):
            what = f"no record comes from the resource {bucket!r}"
            yield finding(("sources", "rate", "buckets", bucket), what, nearest(bucket, sorted(resources)))
        if self._sources.base_url:
            yield from self._base_url()
            yield from self._headers(with_login=with_login)
            yield from self._limits()
            yield from self._excluded_columns()

    def _base_url(self) -> Iterator[Located]:
        """Faults of the address, without its text: somebody may have put a password into it."""
        at, url = ("sources", "base_url"), self._sources.base_url
        cure = "Write https://<host>/RESTAPI/v1_0/<client>, as XTND tells it to you."
        try:
            parts = urlsplit(url)
            whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            whole = False
        if not whole or not (url.isascii() and url.isprintable()) or " " in url:
            yield finding(at, "sources.base_url (XTND_API_URL) is no address of http or https", cure)
        elif "@" in parts.netloc:
            yield finding(at, "sources.base_url (XTND_API_URL) holds a login", LOGIN_CURE)
        elif not {".", ".."}.isdisjoint(unquote(parts.path).split("/")):
            yield finding(at, "sources.base_url (XTND_API_URL) leads elsewhere with . or ..", cure)
        elif parts.query or parts.fragment or url.endswith(("?", "#")):
            yield finding(at, "sources.base_url (XTND_API_URL) ends in a query or a fragment", cure)

    def _headers(self, *, with_login: bool) -> Iterator[Located]:
        login, headers = self._sources.login, self._sources.headers
        if with_login and login is not None and login.value is None:
            what = f"XTND_API_URL is set, and the login has no {'password' if login.user else 'user'}"
            yield finding(("sources", "login"), what, LOGIN_CURE)
        if login is not None and login.user is not None and ":" in login.user.get_secret_value():
            what = "the user of the login holds a colon, behind which a server reads the password"
            yield finding(("sources", "login", "user"), what, "Take another user.")
        names = [name.lower() for name in (*headers, *([login.header] if login else []))]
        for name, value in headers.items():
            text = value.get_secret_value()
            if not (text.isascii() and text.isprintable()) or text != text.strip():
                what = f"the header {name!r} holds what no header may"
                yield finding(("sources", "headers", name), what, "Write letters of ASCII in one line.")
            if names.count(name.lower()) > 1:
                what = f"the header {name!r} is set twice"
                yield finding(("sources", "headers", name), what, "Remove one.")
            if name.lower() in SENT_HEADERS:
                what = f"the header {name!r} is set by the request itself"
                yield finding(("sources", "headers", name), what, "Remove it.")

    def _limits(self) -> Iterator[Located]:
        """What does not fit the topics and the shops of the other files."""
        sources, shops = self._sources, self._config.shops
        if sources.max_body_bytes >= self._config.topics.max_message_bytes:
            what = "max_body_bytes leaves no space in a message of topics.max_message_bytes"
            cure = "Lower it, or raise topics.max_message_bytes."
            yield finding(("sources", "max_body_bytes"), what, cure)
        if shops is not None and sources.shop not in shops.values():
            known = sorted(set(shops.values()))
            if sources.shop is None:
                what = "the tables tell shops apart, and the source names none"
                yield finding(("sources",), what, f"Add shop: and one of {', '.join(known)}.")
            else:
                what = f"no hook is of the shop {sources.shop!r}"
                yield finding(("sources", "shop"), what, nearest(sources.shop, known))

    def _excluded_columns(self) -> Iterator[Located]:
        """Columns of records that could only ever be null."""
        excluded = [paths.keys(path) for path in self._sources.exclude]
        for name, table in self._config.tables.items():
            for column, source in table.columns.items() if table.of else ():
                read = (source.path,) if isinstance(source.path, str) else source.path or ()
                for path in read:
                    if any(paths.keys(path)[: len(one)] == one for one in excluded):
                        what = f"the column {column!r} reads {path}, which sources.yaml excludes"
                        cure = "Remove the column, or that line of exclude."
                        yield finding(("tables", name, "columns", column), what, cure)


class EntityChecks:
    """Errors of the records of one family; ``at`` is where they are written."""

    def __init__(self, config: Config, family: str, entity: EntitySettings) -> None:
        self.at: Location = ("sources", "entities", family)
        self._families = config.topics.families
        self._tables = {name: one for name, one in config.tables.items() if table_kinds.KINDS[one.kind].folds}
        self._family = family
        self._entity = entity

    def errors(self, exclude: tuple[str, ...]) -> Iterator[Located]:
        """Yield what is wrong whatever the other files hold."""
        key, get = self._entity.key, (*self.at, "get")
        yield from _resource(get, self._entity.get)
        parts = PLACEHOLDER.findall(self._entity.get)
        for part in parts:
            if part not in key:
                yield finding(get, f"{{{part}}} is no part of the key", nearest(part, key))
        for part in sorted(key.keys() - set(parts)):
            what = f"the request does not have the part {part!r} of the key"
            yield finding((*self.at, "key", part), what, f"Write {{{part}}} into get where it belongs.")
        implied = self._entity.implied
        read = [implied.created_path, *[one.path for one in implied.actions.values()]] if implied else []
        for index, excluded in enumerate(exclude):
            taken = paths.keys(excluded)
            if any(paths.keys(path)[: len(taken)] == taken for path in read):
                what = f"{excluded!r} would take out what the records of {self._family!r} imply hooks by"
                yield finding(("sources", "exclude", index), what, "Remove it, or implied of the family.")
            if any(paths.keys(path)[: len(taken)] == taken for path in key.values()):
                what = f"{excluded!r} would take the key out of the records of {self._family!r}"
                yield finding(("sources", "exclude", index), what, "Remove it.")
        if self._entity.list is not None:
            yield from self._listing(self._entity.list)

    def _listing(self, listing: Listing) -> Iterator[Located]:
        at = (*self.at, "list")
        yield from _resource((*at, "path"), listing.path)
        if PLACEHOLDER.search(listing.path):
            yield finding(
                (*at, "path"), "a list is of all records, so nothing stands for a key", "Remove it."
            )
        for part in sorted(listing.key.keys() ^ self._entity.key.keys()):
            lacks = "the list" if part in self._entity.key else "the entity"
            yield finding((*at, "key"), f"the key of {lacks} has no {part!r}", "Name the same parts in both.")
        if (listing.paginator.size_param is None) != (listing.paginator.size is None):
            yield finding((*at, "paginator"), "size and size_param go together", "Write both or neither.")
        if listing.incremental is None and listing.full_scan_hours is None:
            cure = "Write incremental for its change filter, or full_scan_hours."
            yield finding(at, "nothing says when the list is read", cure)
        used: set[str] = set()
        for section, setting in PARAMETERS:
            name = getattr(getattr(listing, section), setting, None)
            if name in used:
                what = f"the list has two parameters {name!r}"
                yield finding((*at, section, setting), what, "Give each its own name.")
            used |= {name} if name else set()

    def hooks(self) -> Iterator[Located]:
        """Yield what does not fit the hooks of topics.yaml."""
        implied = self._entity.implied.actions if self._entity.implied else {}
        named: list[tuple[Location, str]]
        named = [(("wanted_on", index), action) for index, action in enumerate(self._entity.wanted_on)]
        named += [(("implied", "actions", action), action) for action in implied]
        if not named:
            return
        if self._family not in self._families:
            what = f"the family {self._family!r} is not in topics.yaml"
            yield finding(self.at, what, nearest(self._family, self._families))
            return
        routes = self._families[self._family].actions
        for at, action in named:
            if action not in routes:
                what = f"the action {action!r} is not in the family {self._family!r}"
                yield finding((*self.at, *at), what, nearest(action, routes))
            elif (parts := len(routes[action].paths)) != len(self._entity.key):
                what = f"the entity key of {action!r} has {parts} parts, and this one {len(self._entity.key)}"
                cure = "Name the parts that topics.yaml has under key, in order."
                yield finding((*self.at, "key"), what, cure)

    def reported(self) -> Iterator[Located]:
        """Yield columns of hooks that there are not."""
        known = [f"{name}.{column}" for name, one in self._tables.items() for column in one.columns]
        for name in self._entity.reported:
            if name not in known:
                what = f"no table of hooks (kind state) has a column {name!r}"
                yield finding((*self.at, "reported", name), what, nearest(name, known))


def _resource(at: Location, path: str) -> Iterator[Located]:
    cure = "Write it as in CustomerOrders/{orderNumber}, without / in front."
    if not RESOURCE.fullmatch(PLACEHOLDER.sub("x", path)):
        yield finding(at, f"{path!r} is no path below base_url", cure)
    elif not {"", ".", ".."}.isdisjoint(path.partition("?")[0].removesuffix("/").split("/")):
        yield finding(at, f"{path!r} holds a part that is empty, . or .., and leads elsewhere", cure)
    elif PLACEHOLDER.search(resource(path)):
        what = f"{path!r} starts with a part of the key, so each record would have a limit of its own"
        yield finding(at, what, cure)
