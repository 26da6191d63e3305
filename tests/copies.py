"""Databases with a mirror's tables: a start makes them once, and each test gets a copy.

A first start costs most of a second of processor time on PostgreSQL. It is what the tests of the schema are
about; all others only need tables.
"""

import shutil
import uuid
from pathlib import Path

import psycopg
from pydantic import SecretStr
from sqlalchemy import URL, delete, insert

from connector.config import Config
from connector.mirror import database, schema, views
from connector.mirror.mapping import Mapping
from connector.mirror.models import MirrorRoute

# By what the tables depend on: the place, as a database's name or a file, of some that a start made.
_made: dict[tuple[object, ...], str] = {}


def fill(config: Config) -> None:
    """Give the empty database of a configuration the tables that a start makes for it."""
    url = database.url_of(config.database)
    key = (url.get_backend_name(), url.host, url.port, Mapping(config).written, config.database.schema_name)
    copy = _copy_file if url.get_backend_name() == "sqlite" else _copy_database
    if key not in _made:
        _made[key] = _made_by_a_start(config, url)
    copy(_made[key], url)
    engine = database.connect(config.database)
    with database.transaction(engine) as connection:  # each configuration of a test has its own topics
        table = MirrorRoute.__table__
        connection.execute(delete(table))
        connection.execute(insert(table).values(views.routes(config)))
    engine.dispose()


def _made_by_a_start(config: Config, url: URL) -> str:
    """Make the tables in a database beside the one that the configuration names."""
    if url.get_backend_name() == "sqlite":
        place = str(Path(str(url.database)).with_name("made.db"))
    else:
        place = f"made_{uuid.uuid4().hex[:12]}"
        _run(url, f"CREATE DATABASE {place}")
    other = url.set(database=place).render_as_string(hide_password=False)
    theirs = config.database.model_copy(update={"url": SecretStr(other)})
    engine = database.connect(theirs)
    try:
        schema.ensure(engine, config.model_copy(update={"database": theirs}), Mapping(config))
    finally:
        engine.dispose()
    return place


def _copy_file(place: str, url: URL) -> None:
    shutil.copyfile(place, str(url.database))


def _copy_database(place: str, url: URL) -> None:
    name = str(url.database)
    # Renamed, because it would cost a checkpoint to drop it.
    _run(url, f"ALTER DATABASE {name} RENAME TO empty_{name}", f"CREATE DATABASE {name} TEMPLATE {place}")


def _run(url: URL, *statements: str) -> None:
    server = url.set(drivername="postgresql", database="postgres", query={})
    with psycopg.connect(server.render_as_string(hide_password=False), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)
