"""Chance without a sequence: the same question always gets the same answer, whenever it is asked.

The shop's traffic draws from one ``random.Random``, in which one more draw changes all that follow. What
surrounds the traffic draws from here instead, so that a seed's deliveries stay the same to the byte.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")


class Chance:
    """The answers of one seed. ``question`` is whatever tells one draw from another."""

    def __init__(self, seed: object) -> None:
        self._key = blake2b(str(seed).encode(), digest_size=16).digest()

    def number(self, below: int, *question: object) -> int:
        """A whole number from 0 to ``below`` - 1."""
        text = "/".join(map(str, question)).encode()
        return int.from_bytes(blake2b(text, digest_size=8, key=self._key).digest(), "big") % below

    def hit(self, share: float, *question: object) -> bool:
        """True in a ``share`` (0 to 1) of the questions."""
        return self.number(1_000_000, *question) < share * 1_000_000

    def choice(self, things: Sequence[T], *question: object) -> T:
        return things[self.number(len(things), *question)]
