"""Databases with a mirror's tables: a start makes them once, and each test gets a copy.

A first start costs most of a second of processor time on PostgreSQL. It is what the tests of the schema are
about; all others only need tables.
"""

import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

import psycopg
from pydantic import SecretStr
from sqlalchemy import URL, delete, insert

from connector.config import Config
from connector.mirror import database, dialects, schema, views
from connector.mirror.mapping import Mapping
from connector.mirror.models import MirrorRoute

# By kind of database, server and what is in it: the place, a database's name or a file, of one that was made.
_made: dict[tuple[object, ...], str] = {}


def fill(config: Config) -> None:
    """Give the empty database of a configuration the tables that a start makes for it."""
    mapping = Mapping(config)

    def start(url: URL) -> None:
        theirs = config.database.model_copy(update={"url": SecretStr(_text(url))})
        engine = database.connect(theirs)
        try:
            schema.ensure(engine, config.model_copy(update={"database": theirs}), mapping)
        finally:
            engine.dispose()

    make_once(database.url_of(config.database), (mapping.written, config.database.schema_name), start)
    engine = database.connect(config.database)
    with database.transaction(engine) as connection:  # each configuration of a test has its own topics
        table = MirrorRoute.__table__
        connection.execute(delete(table))
        connection.execute(insert(table).values(views.routes(config)))
    engine.dispose()


def make_once(url: URL, what: tuple[object, ...], make: Callable[[URL], None]) -> None:
    """Give an empty database what ``make`` puts into one: the first time for each ``what`` beside it."""
    is_file = dialects.named(url.get_backend_name()).file(url) is not None
    key = (url.get_backend_name(), url.host, url.port, *what)
    if key not in _made:
        name = f"made_{uuid.uuid4().hex[:12]}"
        place = str(Path(str(url.database)).with_name(f"{name}.db")) if is_file else name
        if not is_file:
            _run(url, f"CREATE DATABASE {place}")
        make(url.set(database=place))
        _made[key] = place
    (_copy_file if is_file else _copy_database)(_made[key], url)


def _copy_file(place: str, url: URL) -> None:
    shutil.copyfile(place, str(url.database))


def _copy_database(place: str, url: URL) -> None:
    name = str(url.database)
    # Renamed, because it would cost a checkpoint to drop it.
    _run(url, f"ALTER DATABASE {name} RENAME TO empty_{name}", f"CREATE DATABASE {name} TEMPLATE {place}")


def _run(url: URL, *statements: str) -> None:
    server = url.set(drivername="postgresql", database="postgres", query={})
    with psycopg.connect(_text(server), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def _text(url: URL) -> str:
    return url.render_as_string(hide_password=False)
