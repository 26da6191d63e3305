"""Rows of a query as text: for people a table or records, for programs CSV or JSON lines.

Table and record are made to be looked at: what is not printable is written out, and NULL is a word. CSV and
JSON are exact. CSV is RFC 4180's with a bare line feed at the end of lines, which tools that work by line
expect; as in PostgreSQL's COPY, NULL is an empty field and empty text is ``""``.
"""

import math
import shutil
import sys
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from rich.cells import cell_len, set_cell_size

from connector.commands.options import Format
from connector.safe_text import JsonText, as_json, escaped, plain

NULL = "NULL"
GAP = "  "
# Beside control characters, RFC 4180's; blanks at the ends, because some readers take them away.
BLANKS = str.maketrans("\t\r\n", "   ")
QUOTED = frozenset(',"\r\n')

Row = Sequence[Any]


class PrintedRows:
    """The rows of a query, with the names of their columns."""

    def __init__(self, columns: Sequence[str], rows: Sequence[Row]) -> None:
        self._columns = columns
        self._rows = rows

    def print(self, format_: Format | None = None) -> None:
        """Print to standard output; without a format a terminal gets what fits it, and a pipe gets CSV."""
        terminal = sys.stdout.isatty()
        if format_ is None and not terminal:
            format_ = Format.csv
        for line in self.lines(format_, width=shutil.get_terminal_size().columns, terminal=terminal):
            sys.stdout.write(f"{line}\n")

    def lines(self, format_: Format | None, *, width: int, terminal: bool) -> Iterator[str]:
        """The rows as lines; None is a table where that is at most ``width`` wide, else a record per row."""
        if format_ is Format.csv:
            for row in (self._columns, *self._rows):
                line = ",".join(map(_csv, row))
                yield plain(line) if terminal else line
            return
        if format_ is Format.json:
            names = [as_json(name) for name in self._distinct()]
            for row in self._rows:
                members = (f"{name}: {_json(value)}" for name, value in zip(names, row, strict=True))
                yield f"{{{', '.join(members)}}}"
            return
        names = [plain(name) for name in self._columns]
        shown = [[NULL if value is None else plain(_text(value)) for value in row] for row in self._rows]
        widths = [max(map(cell_len, cells)) for cells in zip(names, *shown, strict=True)]
        fits = sum(widths) + len(GAP) * max(len(widths) - 1, 0) <= width
        if format_ is Format.table or (format_ is None and fits):
            for row in (names, ["-" * width for width in widths], *shown):
                yield GAP.join(map(set_cell_size, row, widths)).rstrip()
        else:
            yield from self._records(names, shown)

    @staticmethod
    def _records(names: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
        width = max(map(cell_len, names), default=0)
        for number, row in enumerate(rows, 1):
            yield f"-[ {number} ]-"
            for name, cell in zip(names, row, strict=True):
                yield f"{set_cell_size(name, width)}{GAP}{cell}"
        if not rows:
            yield f"(no rows; columns: {', '.join(names)})"

    def _distinct(self) -> list[str]:
        """Names of which none stands twice, as an object needs them: ``id``, ``id_2``."""
        names: list[str] = []
        for column in self._columns:
            name, number = column, 1
            while name in names or (number > 1 and name in self._columns):
                number += 1
                name = f"{column}_{number}"
            names.append(name)
        return names


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, bytes | memoryview):
        return f"\\x{bytes(value).hex()}"
    if isinstance(value, list | dict):
        return _json(value)
    return str(value)


def _csv(value: Any) -> str:
    if value is None:
        return ""
    text = _text(value)
    if not text or text[0] == " " or text[-1] == " " or not QUOTED.isdisjoint(text):
        doubled = text.replace('"', '""')
        return f'"{doubled}"'
    return text


def _json(value: Any) -> str:
    """JSON in one line; a number has all its digits, and one that is none (NaN) is text."""
    if isinstance(value, JsonText):
        # Blanks and line ends stand between values only: within text JSON has escaped them.
        return escaped(value.translate(BLANKS))
    if isinstance(value, list):
        return f"[{', '.join(map(_json, value))}]"
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() else f'"{value}"'
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else f'"{Decimal(value)}"'
    if value is None or isinstance(value, bool | int | str):
        return as_json(value)
    return as_json(_text(value))
