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

#: Milliseconds: calls of the timer, of drawing the panels, of Apply (all ours); and how late a 10 ms timer came.
measured = {"tick": [], "draw": [], "apply": [], "late": []}
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
    """What the button under the mouse does, as Blender's own "Copy Python Command" tells: ``posecore.analyse``.

    Empty where there is no operator's button.
    """
    window, area, region = view()
    with bpy.context.temp_override(window=window, area=area, region=region):
        if not bpy.ops.ui.copy_python_command_button.poll():
            return ""
        bpy.ops.ui.copy_python_command_button()
        return bpy.context.window_manager.clipboard.removeprefix("bpy.ops.").partition("(")[0]


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


def arrange():
    """A view that shows the rig well; the other rig out of the way."""
    from mathutils import Euler, Vector

    _, area, _ = view()
    eye = area.spaces.active.region_3d
    eye.view_perspective = "PERSP"
    eye.view_location, eye.view_distance = Vector((0.2, 0, 0.9)), 4.2
    eye.view_rotation = Euler((1.35, 0, 0.6)).to_quaternion()
    bpy.data.objects["Plain"].hide_set(True)
    rig = bpy.data.objects["rig"]
    rig.select_set(True)
    bpy.context.view_layer.objects.active = rig


def look_at_result():
    """The frame of the longest step, the rig in the middle of the view and without its controls."""
    from mathutils import Vector

    rig = bpy.data.objects["rig"]

    def place(bone):
        shown = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
        return shown.matrix_world @ shown.pose.bones[bone].head

    first, last = map(int, rig.animation_data.action.frame_range)
    steps = {}
    for frame in range(first + (last - first) // 4, last, 4):
        bpy.context.scene.frame_set(frame)
        steps[frame] = (place("DEF-foot.L") - place("DEF-foot.R")).length
    bpy.context.scene.frame_set(max(steps, key=steps.get))
    hips = place("DEF-spine")
    _, area, _ = view()
    area.spaces.active.region_3d.view_location = Vector((hips.x + 0.35, hips.y, 0.85))
    area.spaces.active.overlay.show_bones = False
    rig.select_set(False)


def redraws(count=12):
    """Milliseconds of drawing the window as a change in the sidebar makes it, nothing of ours running: the screen's
    own share of what is measured."""
    window, area, _ = view()
    spent = []
    with bpy.context.temp_override(window=window, area=area, region=area.regions[-1]):
        for _ in range(count):
            area.tag_redraw()
            begun = time.perf_counter()
            bpy.ops.wm.redraw_timer(type="DRAW_WIN_SWAP", iterations=1)
            spent.append(1000 * (time.perf_counter() - begun))
    return [len(spent), max(spent)]


def measure():
    """Wrap the add-on's timer, the drawing of its panels, and Apply."""
    timers, live = part("timers"), part("live")
    timers.tick = timed(timers.tick, "tick")
    live.apply_now = timed(live.apply_now, "apply")
    for panel in bpy.types.Panel.__subclasses__():
        if panel.__module__.startswith("bl_ext.user_default.posecore"):
            panel.draw = timed_draw(panel.draw)


def timed(function, name):
    """The function, its milliseconds noted."""

    def call(*arguments):
        begun = time.perf_counter()
        try:
            return function(*arguments)
        finally:
            measured[name].append(1000 * (time.perf_counter() - begun))

    return call


def timed_draw(draw):
    """As ``timed``; Blender counts the arguments of this one."""
    call = timed(draw, "draw")

    def drawn(self, context):
        call(self, context)

    return drawn


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
