"""Which subjects and pictures are kept out of training, decided by a fixed rule and never by a random draw.

CMU: whole *subjects* are held out, so that no body and no style of moving is on both sides. The rule is a hash
of the subject's number: adding clips or subjects to the data never moves one from one side to the other. The
salt was chosen once so that about 15 % of the frames, with walks, turns and karate among them, are held out.
"""

from __future__ import annotations

import hashlib
from typing import Literal

__all__ = ["Split", "clip_subject", "cmu_split", "hash_fraction"]

Split = Literal["train", "validation"]

_CMU_SALT = "cmu subject "
_CMU_VALIDATION_SHARE = 0.18  # of subjects; 15 % of the frames of the shared subset

#: Subjects captured together, doing the same things: one group, on one side.
_CMU_PARTNERS = {"061": "060"}


def hash_fraction(key: str) -> float:
    """A number in [0, 1) that depends on ``key`` alone (first 32 bits of its sha256)."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") / 2**32


def clip_subject(clip: str) -> str:
    """Subject of a clip id: ``"047_01"`` -> ``"047"``."""
    return clip.split("_")[0]


def cmu_split(subject: str) -> Split:
    """``"train"`` or ``"validation"`` for a CMU subject such as ``"047"`` (``"subject_047"`` and ``"47"`` work too).

    A name that is no number (the clips of unknown subjects) belongs to training: those clips share one
    skeleton, so they could not measure anything on an unseen body.
    """
    number = subject.removeprefix("subject_")
    if not number.isdigit():
        return "train"
    number = number.zfill(3)
    group = _CMU_PARTNERS.get(number, number)
    return "validation" if hash_fraction(_CMU_SALT + group) < _CMU_VALIDATION_SHARE else "train"
