"""The connector's own tables: only here are their columns, types, keys, indexes and comments written.

Every other list of these columns is derived from here (``columns``, ``key``). A model's docstring is the
comment of its table, and an attribute that may be None is a column that takes nulls.

A change here is a change of the layout and needs a step (``steps.py``).
"""

from connector.mirror.models.archives import Archive, ArchivedRow
from connector.mirror.models.events import (
    BODY,
    DETAILS,
    BodyRow,
    ConsumerOffset,
    DeadLetterRow,
    ForgottenEntity,
    LedgerRow,
    MirrorCounter,
    MirrorLoss,
    unkeyed,
)
from connector.mirror.models.layout import MirrorLayout, MirrorRoute, MirrorRule
from connector.mirror.models.own import SOURCE, TYPES, Own, in_batch, names, only
from connector.mirror.models.records import Audit, BackfillWork, Drift, HydrationWork, Sweep

__all__ = [
    "BODY",
    "DETAILS",
    "OWN",
    "SOURCE",
    "TYPES",
    "Archive",
    "ArchivedRow",
    "Audit",
    "BackfillWork",
    "BodyRow",
    "ConsumerOffset",
    "DeadLetterRow",
    "Drift",
    "ForgottenEntity",
    "HydrationWork",
    "LedgerRow",
    "MirrorCounter",
    "MirrorLayout",
    "MirrorLoss",
    "MirrorRoute",
    "MirrorRule",
    "Own",
    "Sweep",
    "in_batch",
    "names",
    "only",
    "unkeyed",
]

# Names of the tables, whichever module of the package is imported first: its models are all above. Only a
# step changes the columns and keys of one that is there.
OWN = frozenset(Own.metadata.tables)
