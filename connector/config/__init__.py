"""YAML and environment → one frozen, validated ``Config``.

``load`` is a function of the folder's text, the variables and the overrides given to it; nothing
here reads the environment by itself. Faults are reported all at once, each with file and line,
what is wrong, and the nearest name that would be right.
"""

import json
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from connector.config import cautions, checks, explanation
from connector.config.credentials import Credentials
from connector.config.models import (
    Config,
    DatabaseSettings,
    GatewaySettings,
    HookSettings,
    KafkaSettings,
    MirrorSettings,
    WorkerSettings,
)
from connector.config.source import Document, nearest_mark
from connector.config.source_models import EntitySettings, SourceSettings
from connector.config.table_models import SHOP_COLUMN, Column, KeyColumn, Source, Table, View, constant_type
from connector.config.topic_models import ActionRoute, FamilySettings, Topics
from connector.errors import ConfigError, Finding

__all__ = [
    "FILES",
    "SHOP_COLUMN",
    "SOURCES_FILE",
    "ActionRoute",
    "Column",
    "Config",
    "DatabaseSettings",
    "EntitySettings",
    "FamilySettings",
    "GatewaySettings",
    "HookSettings",
    "KafkaSettings",
    "KeyColumn",
    "MirrorSettings",
    "Source",
    "SourceSettings",
    "Table",
    "Topics",
    "View",
    "WorkerSettings",
    "constant_type",
    "load",
    "parse",
]

URL_VARIABLE = "XTND_API_URL"
SOURCES_FILE = "sources.yaml"
FILES = ("connector.yaml", "topics.yaml", "tables.yaml", SOURCES_FILE)


def load(
    directory: Path,
    variables: Mapping[str, str],
    overrides: Mapping[str, object] | None = None,
    *,
    with_secrets: bool = True,
    with_login: bool = False,
    unused: Collection[str] = (),
) -> Config:
    """Read the files of ``directory``; ``overrides`` maps dotted names to values.

    ``with_secrets`` is for who verifies deliveries; a worker needs no secret and is given none.
    ``with_login`` is for who fetches records. Of the sections ``unused`` (``kafka``, ``database``) the
    variables of secrets may be missing. A folder without ``sources.yaml`` has no source.
    Raises ``ConfigError`` with every fault that was found.
    """
    texts: dict[str, str] = {}
    for name in FILES:
        try:
            texts[name] = (directory / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            if name == SOURCES_FILE and isinstance(error, FileNotFoundError):
                if not variables.get(URL_VARIABLE):
                    continue
                what = f"{URL_VARIABLE} is set, and there is no such file"
                cure = f"Write it as shipped with connector init, or unset {URL_VARIABLE}."
                raise ConfigError([Finding(str(directory / name), what, cure)]) from None
            what = f"cannot be read: {getattr(error, 'strerror', None) or error}"
            cure = "Name the folder that holds the YAML files with --config; connector init writes a new one."
            raise ConfigError([Finding(str(directory / name), what, cure)]) from None
    return parse(texts, variables, overrides, with_secrets=with_secrets, with_login=with_login, unused=unused)


def parse(
    texts: Mapping[str, str],
    variables: Mapping[str, str],
    overrides: Mapping[str, object] | None = None,
    *,
    with_secrets: bool = True,
    with_login: bool = False,
    unused: Collection[str] = (),
) -> Config:
    """Check the texts of the files, by file name, as one configuration."""
    document = Document(variables)
    for name, text in texts.items():
        document.read(name, text)
    for dotted, value in (overrides or {}).items():
        if value is not None:
            document.override(dotted, value)
    credentials = Credentials(document)
    needless = [*unused, *(() if with_secrets else ("hooks",)), *(() if with_login else ("sources",))]
    absent = credentials.forgive(needless)
    document.raise_findings()
    credentials.take(with_secrets=with_secrets, with_login=with_login)
    odd = [*credentials.odd, *cautions.take_former(document)]
    try:
        # Through JSON, because strict validation takes an array for a tuple only there.
        config = Config.model_validate_json(json.dumps(document.data), strict=True)
    except ValidationError as error:
        raise ConfigError(list(explanation.findings(error, document))) from None
    errors = checks.Checks(config).errors(with_secrets=with_secrets, with_login=with_login, absent=absent)
    document.raise_findings([finding(document.where) for finding in errors])
    if config.sources is not None and not config.sources.base_url:
        shop = config.shop_of_source
        config = config.model_copy(update={"sources": None}).with_shop_of_source(shop)
    warnings = [*odd, *document.warnings, *cautions.Cautions(config, document).findings()]
    return config.with_warnings(warnings, partial(nearest_mark, document.marks))
