"""Free ports: each is given once."""

import os

import pytest

from connector.local.ports import free_port

MANY = 400


def test_a_port_is_given_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first = [free_port() for _ in range(MANY)]
    process = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: process + 1)
    neighbour = [free_port() for _ in range(MANY)]
    assert len({*first, *neighbour}) == 2 * MANY
