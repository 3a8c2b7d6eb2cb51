# SPDX-License-Identifier: GPL-3.0-or-later
"""posecore for Blender: a video onto your own rig.

Nothing heavy is imported here: registering costs milliseconds, and everything but the interface also works
where there is no Blender (the worker's client, the cache).
"""
