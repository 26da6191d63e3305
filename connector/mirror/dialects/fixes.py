"""Fixes that errors of several databases share."""

import re
from typing import NamedTuple

from connector.errors import StartupError

MAKE_TABLES = "a worker makes the tables at its start (connector worker); connector schema shows them"
START_IT = "start the database, or set DATABASE_URL or --database-url"
CORRECT_IT = "correct the query there"
PARAMETERS = "write the value itself: connector query takes no parameters"
READS_ONLY = "connector query reads only; to write, use the database's own client"
SAY_WHOSE = "say whose it is: TABLE.COLUMN"
ONE_QUERY = ("connector query runs one query.", "give the others each a command of its own")
# A name as a query writes it, with what it is of; the group is its last part.
IDENTIFIER = re.compile(r'(?:(?:"(?:[^"]|"")*"|\w+)\s*\.\s*)*("(?:[^"]|"")*"|\w+)')


class Unknown(NamedTuple):
    """A name that the database does not know, or cannot read (``kind`` syntax), as the query writes it.

    ``otherwise`` is the error where the name is known after all.
    """

    kind: str  # table, column, function or syntax
    named: str
    otherwise: StartupError | None = None
