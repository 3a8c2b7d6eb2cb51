# SPDX-License-Identifier: GPL-3.0-or-later
"""Between Blender's data and the library's values: rigs in, keys out.

Nothing in here uses operators on the user's data, nothing needs a mode, a selection or a visible object, and whatever
is tried out is tried on copies in a scene of its own (:mod:`.stage`).
"""
