"""Which consumer group reads the topics of a prefix, kept on Kafka as an empty topic beside them.

A gateway may publish before any worker has run. When the prefix is changed then, no database knows
the former topics, and only Kafka can show that they are ours. Their names alone cannot: several
connectors may share a cluster, each with topics that the others never read. A topic's settings take no
text of ours, and a group's offsets are deleted after a week. An empty topic lasts as long as the topics
that it names, needs the same rights, and costs no request of its own, because all names are listed anyway.
"""

import hashlib
import re
from collections.abc import Collection

MARK = "mirrored-by."
PLAIN = re.compile(r"[A-Za-z0-9._-]{1,100}")


def claim(prefix: str, group: str) -> str:
    """The name of the topic that says so; a group that is no part of a name is given by its digest."""
    token = group if PLAIN.fullmatch(group) else hashlib.sha256(group.encode()).hexdigest()[:32]
    return f"{prefix}{MARK}{token}"


def owned(names: Collection[str], group: str) -> dict[str, str]:
    """Topics under the prefixes that a group reads → prefix; the longest one decides whose a topic is."""
    claims: dict[str, set[str]] = {}
    for name in names:
        prefix, mark, _ = name.partition(MARK)
        if mark:
            claims.setdefault(prefix, set()).add(name)
    found: dict[str, str] = {}
    for prefix in (one for one, marks in claims.items() if claim(one, group) in marks):
        longer = tuple(other for other in claims if len(other) > len(prefix) and other.startswith(prefix))
        under = (name for name in names if name.startswith(prefix) and MARK not in name)
        found |= {name: prefix for name in under if not any(map(name.startswith, longer))}
    return found
