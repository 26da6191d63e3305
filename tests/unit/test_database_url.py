"""A database URL is taken as libpq takes it, or refused in words that hold nothing of a password."""

from urllib.parse import quote

import psycopg
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connector.config import database_url
from connector.mirror.dialects import postgresql_session

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("url", "word"),
    [
        (f"PostgreSQL://u:{SECRET}@h/d", "postgresql://"),
        ("SQLite:///x.db", "sqlite://"),
        (f"mysql://u:{SECRET}@h/d", "PostgreSQL or SQLite"),
        (f"mysql+pymysql://u:{SECRET}@h/d", "PostgreSQL or SQLite"),
        (f"postgresql:u:{SECRET}@h/d", "//"),
        (SECRET, "PostgreSQL or SQLite"),
        (f"postgresql://u:{SECRET}@h/d ", "blank"),
        (f"postgresql://u:{SECRET}@h/d\r\n", "line end"),
        (f"postgresql://u:{SECRET}\n@h/d", "line end"),
        (f"postgresql://u:{SECRET} x@h/d", "encoded"),
        (f"postgresql://u:x#{SECRET}@h/d", "%23"),
        (f"postgresql://u:x?{SECRET}@h/d", "%3F"),
        (f"postgresql://u:x?{SECRET}=1&sslmode=require@h/d", "%3F"),
        (f"postgresql://u:12?{SECRET}@h/d", "%3F"),
        (f"postgresql://u:x/{SECRET}@h/d", "%2F"),
        (f"postgresql://u:x[{SECRET}@h/d", "%5B"),
        (f"postgresql://u:x]{SECRET}@h/d", "%5D"),
        (f"postgresql://u:x@{SECRET}@h/d", "%40"),
        (f"postgresql://u:x@/{SECRET}@h/d", "%40"),
        (f"postgresql://u@tenant:{SECRET}@h/d", "%40"),
        (f"postgresql://u:x:{SECRET}@h/d", "%3A"),
        (f"postgresql://u:x%{SECRET}@h/d", "%25"),
        (f"postgresql://u:%00{SECRET}@h/d", "%25"),
        (f"postgresql://u:{SECRET}@/d", "host"),
        (f"postgresql://u:{SECRET}@h:port/d", "port"),
        (f"postgresql://u:{SECRET}@h:0/d", "port"),
        (f"postgresql://u:{SECRET}@h:65536/d", "port"),
        (f"postgresql://u:{SECRET}@::1/d", "[::1]"),
        (f"postgresql://u:{SECRET}@h/d/e", "%2F"),
        (f"postgresql://u:{SECRET}@h/d?sslmod=require", "'sslmode'"),
        (f"postgresql://u:{SECRET}@h/d?sslmode=requird", "verify-full"),
        (f"postgresql://u:{SECRET}@h/d?replication=database", "'replication'"),
        (f"postgresql://u:{SECRET}@h/d?connect_timeout=10s", "connect_timeout"),
        (f"postgresql://u:{SECRET}@h/d?sslmode", "name=value"),
        (f"postgresql://u:{SECRET}@h/d?sslmode=", "sslmode"),
        ("sqlite://", "memory"),
        ("sqlite:///", "memory"),
        ("sqlite:///:memory:", "memory"),
        ("sqlite:///file:x?mode=memory&uri=true", "memory"),
        ("sqlite://data/mirror.db", "three slashes"),
        ("sqlite:data/mirror.db", "three slashes"),
        ("sqlite:///data/mirror.db?mode=ro", "parameters"),
        ("sqlite:///~/mirror.db", "~"),
        ("sqlite:///100%.db", "%25"),
        ("sqlite:///data/mirror.db ", "blank"),
        ("", "PostgreSQL or SQLite"),
    ],
)
def test_a_url_that_cannot_work_is_refused_with_the_fix_and_without_the_password(url: str, word: str) -> None:
    found = database_url.fault(url)
    assert found is not None
    assert word in " ".join(found)
    assert SECRET not in " ".join(found)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://h/d",
        "postgres://u@h/d",
        "postgresql+asyncpg://u:p@h:5433/d",
        "postgresql://u:p%40ss%23%3F%2F%5B%5D%25@h/d",
        "postgresql://u:p@[::1]:5432/d",
        "postgresql://h1:5432,h2:5433/d?target_session_attrs=read-write",
        "postgresql://u:p@h/d?options=-csearch_path%3Dmirror&sslmode=verify-full&sslrootcert=/etc/ca.pem",
        "postgresql:///d?host=/var/run/postgresql",
        "postgresql:///?service=mirror",
        "postgresql://h/d?user=me@tenant",
        "postgresql://h",
        "postgresql://h/d?ssl=true",
        "sqlite:///data/mirror.db",
        "sqlite:////srv/my mirror/100%25.db",
    ],
)
def test_a_url_that_libpq_takes_is_taken(url: str) -> None:
    assert database_url.fault(url) is None
    if database_url.Backend.of(url) == "postgresql":
        postgresql_session.parameters_of(url)


def test_every_parameter_of_this_libpq_is_known_but_replication() -> None:
    known = {option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()}
    assert known - database_url.PARAMETERS == {"replication"}


@given(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_an_encoded_password_arrives_whole(password: str) -> None:
    url = f"postgresql://me:{quote(password, safe='')}@h/d"
    assert database_url.fault(url) is None
    assert postgresql_session.parameters_of(url)["password"] == password
    assert database_url.without_password(url) == "postgresql://me:***@h/d"


@given(st.text("aZ9#?/[]@:% =&\n%", min_size=1, max_size=8))
@example("?x=1&y")
@example("1/2@3")
@example("%99")
@settings(max_examples=400)
def test_an_unencoded_password_arrives_whole_or_is_refused_and_never_shown(raw: str) -> None:
    password = f"{SECRET}{raw}{SECRET}"
    url = f"postgresql://me:{password}@h/d"
    found = database_url.fault(url)
    if found:
        assert SECRET not in " ".join(found)
    else:
        given = postgresql_session.parameters_of(url)
        assert (given["host"], given["dbname"], given["user"]) == ("h", "d", "me")
    assert SECRET not in database_url.without_password(url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:pw@h/db", "postgresql://me:***@h/db"),
        ("postgresql://h/db?user=me&password=pw&sslpassword=pw", None),
        ("sqlite:////data/mirror.db", "sqlite:////data/mirror.db"),
    ],
)
def test_only_the_passwords_of_a_url_are_starred_out(url: str, shown: str | None) -> None:
    expected = shown or "postgresql://h/db?user=me&password=***&sslpassword=***"
    assert database_url.without_password(url) == expected
