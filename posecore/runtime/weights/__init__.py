"""The weights store: where networks lie on this machine, found by name and checked by sha256.

Two folders are searched: the user's own (``POSECORE_WEIGHTS``, or the platform's place for data),
then the one that comes with posecore, this package's own folder. In either, ``NAME.json`` is the
model card and names the files. A set without a card does not exist; the card is always written last.
"""

from posecore.runtime.weights.adding import ADDABLE, add, remove
from posecore.runtime.weights.store import (
    Installed,
    card,
    files,
    find,
    installed,
    listing,
    ranking,
    shipped_folder,
    user_folder,
)

__all__ = [
    "ADDABLE",
    "Installed",
    "add",
    "card",
    "files",
    "find",
    "installed",
    "listing",
    "ranking",
    "remove",
    "shipped_folder",
    "user_folder",
]
