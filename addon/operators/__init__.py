# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons: each reports in one clear line, and is CANCELLED only when nothing was changed."""

from . import applying, capturing, targeting, upkeep

CLASSES = (*capturing.CLASSES, *targeting.CLASSES, *applying.CLASSES, *upkeep.CLASSES)
