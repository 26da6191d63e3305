"""What ends a gateway process."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from connector.gateway.server import until_stopped


async def _bug() -> None:
    raise RuntimeError("a bug")


@pytest.mark.parametrize(("ends", "code"), [("signal", 0), ("publisher", 1), ("drain", 1)])
def test_a_signal_ends_it_well_and_a_part_that_died_does_not(ends: str, code: int) -> None:
    async def act() -> int:
        stop, publisher = asyncio.Event(), SimpleNamespace(died=asyncio.Event())
        drainer: Any = asyncio.create_task(_bug() if ends == "drain" else asyncio.Event().wait())
        if ends == "signal":
            stop.set()
        elif ends == "publisher":
            publisher.died.set()
        exit_code = await asyncio.wait_for(until_stopped(stop, publisher, drainer), 5)  # type: ignore[arg-type]
        drainer.cancel()
        return exit_code

    assert asyncio.run(act()) == code
