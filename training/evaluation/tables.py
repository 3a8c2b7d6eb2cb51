"""``Table``: rows with a title, remarks and the command that made them, as Markdown and CSV."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posecore.files import atomic_path
from training.analysis.figures import write_rows

__all__ = ["Table", "cell", "markdown", "write_tables"]

#: What stands in a cell that has no value: not measured, or not published.
NOTHING = "–"


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        name: of its CSV file.
        title: a line above it.
        rows: column → value; floats get ``digits`` decimals, None and NaN a dash.
        notes: remarks below it: on what data, with what protocol, what does not compare.
        digits: decimals.
    """

    name: str
    title: str
    rows: Sequence[Mapping[str, Any]]
    notes: Sequence[str] = ()
    digits: int = 1


def cell(value: Any, digits: int = 1) -> str:
    """A value as it stands in Markdown."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return NOTHING
    return f"{value:.{digits}f}" if isinstance(value, float) else str(value).replace("|", "\\|")


def markdown(table: Table) -> str:
    """Title, rows and notes; columns are the keys of all rows, in the order in which they appear."""
    columns = list(dict.fromkeys(key for row in table.rows for key in row))
    lines = [f"## {table.title}", "", "| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for row in table.rows:
        lines.append("| " + " | ".join(cell(row.get(column), table.digits) for column in columns) + " |")
    return "\n".join([*lines, "", *(f"- {note}" for note in table.notes)]).rstrip() + "\n"


def write_tables(folder: Path, name: str, heading: str, command: str, tables: Sequence[Table]) -> list[Path]:
    """``NAME.md`` with all tables, and a CSV of each; the files written.

    Raises:
        OutputError: the folder cannot be written.
    """
    page = Path(folder) / f"{name}.md"
    with atomic_path(page) as temporary:
        text = "\n".join([f"# {heading}\n", f"    {command}\n", *(markdown(table) for table in tables)])
        temporary.write_text(text, encoding="utf-8")
    return [page, *(write_rows(Path(folder) / f"{table.name}.csv", _plain(table.rows)) for table in tables)]


def _plain(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Values as they are, rounded to what a figure can mean; nothing where there is none."""

    def value(given: Any) -> Any:
        if isinstance(given, float):
            return "" if math.isnan(given) else round(given, 5)
        return "" if given is None else given

    return [{key: value(given) for key, given in row.items()} for row in rows]
