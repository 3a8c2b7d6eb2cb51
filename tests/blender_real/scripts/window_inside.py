"""Runs inside the Blender whose window is tried: shows the Mocap tab, answers questions, measures.

``window.py`` asks by writing Python to ``ask.py`` beside ``/mnt/window.log``; its variable ``answer`` comes back as
JSON in ``answer.json``. The questions only look, the clicks are real.
"""

import json
import os
import time
import traceback

import bpy

PLACE = "/mnt"
ASK, ANSWER = f"{PLACE}/ask.py", f"{PLACE}/answer.json"

#: Milliseconds: of each call of the add-on's timer and of its panels' drawing; and how late a 10 ms timer came.
measured = {"tick": [], "draw": [], "late": []}
_due = [0.0]


def view():
    """Window, area and region of the sidebar of the 3D view."""
    window = bpy.context.window_manager.windows[0]
    area = next(area for area in window.screen.areas if area.type == "VIEW_3D")
    return window, area, next(region for region in area.regions if region.type == "UI")


def sidebar():
    """Left, top, width and height of the sidebar in pixels of the screen."""
    window, _, region = view()
    return [region.x, window.height - region.y - region.height, region.width, region.height]


def under_the_mouse():
    """What the button under the mouse does: an operator's name, or a property's; empty for neither."""
    window, area, region = view()
    with bpy.context.temp_override(window=window, area=area, region=region):
        operator = getattr(bpy.context, "button_operator", None)
        if operator is not None:
            return operator.bl_rna.identifier
        found = getattr(bpy.context, "button_prop", None)
        return found.identifier if found is not None else ""


def add_on():
    """The installed extension's package."""
    import importlib

    return importlib.import_module("bl_ext.user_default.posecore")


def part(name):
    """One of its modules."""
    import importlib

    return importlib.import_module(f"bl_ext.user_default.posecore.{name}")


def show_tab():
    """The sidebar with the Mocap tab in front; only once it has been drawn can the tab be chosen."""
    _, area, region = view()
    area.spaces.active.show_region_ui = True
    area.tag_redraw()
    try:
        region.active_panel_category = "Mocap"
    except (TypeError, AttributeError):
        return False
    return region.active_panel_category == "Mocap"


def measure():
    """Wrap the add-on's timer and the drawing of its panels."""
    timers = part("timers")
    tick = timers.tick

    def timed_tick():
        begun = time.perf_counter()
        try:
            return tick()
        finally:
            measured["tick"].append(1000 * (time.perf_counter() - begun))

    timers.tick = timed_tick
    for panel in bpy.types.Panel.__subclasses__():
        if panel.__module__.startswith("bl_ext.user_default.posecore"):
            panel.draw = _timed_draw(panel.draw)


def _timed_draw(draw):
    def timed(self, context):
        begun = time.perf_counter()
        try:
            draw(self, context)
        finally:
            measured["draw"].append(1000 * (time.perf_counter() - begun))

    return timed


def pulse():
    """How late this comes is how long the main thread was busy with something else."""
    now = time.perf_counter()
    if _due[0]:
        measured["late"].append(1000 * (now - _due[0]))
    _due[0] = now + 0.01
    return 0.01


def listen():
    """Answer one question, if there is one."""
    if os.path.exists(ASK):
        with open(ASK, encoding="utf-8") as stream:
            code = stream.read()
        os.remove(ASK)
        names = dict(globals(), answer=None)
        try:
            exec(compile(code, ASK, "exec"), names)
            result = {"answer": names["answer"]}
        except Exception:
            result = {"error": traceback.format_exc()}
        with open(ANSWER + ".new", "w", encoding="utf-8") as stream:
            json.dump(result, stream, default=str)
        os.replace(ANSWER + ".new", ANSWER)
    return 0.02


bpy.context.preferences.view.show_splash = False
bpy.app.timers.register(listen, first_interval=0.5, persistent=True)
bpy.app.timers.register(pulse, first_interval=1.0, persistent=True)
