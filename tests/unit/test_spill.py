"""What waits on disk comes back as it was, and memory holds a bounded part of it."""

import pytest

from connector.mirror import spill
from connector.mirror.spill import Spill


def test_records_come_out_of_their_part_in_order_and_few_stay_in_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(spill, "KEPT", 3)
    with Spill() as spilled:
        for number in range(10):
            spilled.add(number % 2, (number, "é"))
            assert sum(map(len, spilled._kept.values())) < spill.KEPT
        for _ in range(2):
            assert list(spilled.read(1, tuple[int, str])) == [(one, "é") for one in range(1, 10, 2)]
        assert list(spilled.read(2, tuple[int, str])) == []
