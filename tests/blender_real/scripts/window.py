"""A person at Blender's window, in a box with Xvfb and xdotool: opens the Mocap tab, clicks Analyse and Apply.

``window.py SCENE.blend VIDEO SECONDS``, by the system's own Python. Writes pictures and ``window.json`` to ``/mnt``.
"""

import json
import os
import signal
import subprocess
import sys
import time

PLACE = "/mnt"
DISPLAY, WIDTH, HEIGHT = ":87", 1600, 900
HERE = os.path.dirname(os.path.abspath(__file__))
STEP = 7
_TABS = 24  # width of the tabs at the sidebar's right


class Trouble(Exception):
    """What was expected did not come."""


class Window:
    """One Blender, its screen and its mouse."""

    def __init__(self, blend: str) -> None:
        os.environ.update(DISPLAY=DISPLAY, LIBGL_ALWAYS_SOFTWARE="1")
        self.log = open(f"{PLACE}/window.log", "w", encoding="utf-8")  # noqa: SIM115
        screen = ["Xvfb", DISPLAY, "-screen", "0", f"{WIDTH}x{HEIGHT}x24", "+extension", "GLX", "+render", "-noreset"]
        self.screen = subprocess.Popen(screen, stdout=self.log, stderr=self.log)
        self.wait(lambda: os.path.exists(f"/tmp/.X11-unix/X{DISPLAY[1:]}"), 20, "the screen")
        size = ["--window-geometry", "0", "0", str(WIDTH), str(HEIGHT)]
        command = ["blender", "-y", *size, blend, "-P", f"{HERE}/window_inside.py"]
        self.blender = subprocess.Popen(command, stdout=self.log, stderr=self.log)

    def wait(self, done, seconds: float, what: str) -> None:
        """Until ``done()``; Trouble after ``seconds``."""
        end = time.monotonic() + seconds
        while not done():
            if time.monotonic() > end:
                raise Trouble(f"{what} did not come within {seconds:.0f} s")
            if getattr(self, "blender", None) is not None and self.blender.poll() is not None:
                raise Trouble(f"Blender ended with {self.blender.returncode} while waiting for {what}")
            time.sleep(0.05)

    def ask(self, code: str, seconds: float = 60.0):
        """Run code inside Blender; its variable ``answer``."""
        with open(f"{PLACE}/ask.new", "w", encoding="utf-8") as stream:
            stream.write(code)
        os.replace(f"{PLACE}/ask.new", f"{PLACE}/ask.py")
        self.wait(lambda: os.path.exists(f"{PLACE}/answer.json"), seconds, "an answer")
        with open(f"{PLACE}/answer.json", encoding="utf-8") as stream:
            result = json.load(stream)
        os.remove(f"{PLACE}/answer.json")
        if "error" in result:
            raise Trouble(result["error"])
        return result["answer"]

    def do(self, *words: object) -> None:
        """One xdotool command."""
        subprocess.run(["xdotool", *map(str, words)], check=True, stdout=self.log, stderr=self.log)

    def move(self, x: int, y: int) -> None:
        """The mouse, with a small shake: Blender looks at motion only."""
        self.do("mousemove", x, y, "mousemove_relative", 1, 1)
        time.sleep(0.08)

    def find(self, name: str, from_right: int = 0) -> tuple[int, int]:
        """Where in the sidebar the button of an operator is, felt with the mouse from top to bottom.

        Feels in the middle, or ``from_right`` pixels from the right edge. Scrolls down as needed.
        """
        for _ in range(4):
            left, top, width, height = self.ask("answer = sidebar()")
            x, rows = left + (width - from_right if from_right else (width - _TABS) // 2), []
            for y in range(top + STEP, top + height - STEP, STEP):
                self.move(x, y)
                if self.ask("answer = under_the_mouse()") == name:
                    rows.append(y)
                elif rows:
                    break
            if rows:
                return x, rows[len(rows) // 2]
            self.wheel(8)
        raise Trouble(f"no button {name} in the sidebar")

    def click(self, name: str, from_right: int = 0) -> None:
        """A real click on a button of the sidebar."""
        x, y = self.find(name, from_right)
        self.move(x, y)
        self.press()
        self.do("mouseup", 1)
        self.settle()
        print(f"clicked {name} at {x}, {y}", flush=True)

    def wheel(self, clicks: int) -> None:
        """Scroll the sidebar at its margin (a list under the mouse would scroll itself); down for positive numbers."""
        left, top, _, height = self.ask("answer = sidebar()")
        self.move(left + 5, top + height // 2)
        for _ in range(abs(clicks)):
            self.do("click", 5 if clicks > 0 else 4)
            time.sleep(0.05)
        time.sleep(0.5)

    def widen(self, pixels: int) -> bool:
        """Pull the sidebar's left edge; whether it came along."""
        for shift in (0, -2, 2, -4):
            left, top, width, _ = self.ask("answer = sidebar()")
            x, y = left + shift, top + 300
            self.move(x - 30, y)
            self.move(x - 1, y - 1)
            self.press()
            for step in range(1, 9):
                self.do("mousemove", x - pixels * step // 8, y)
                self.settle()
            self.do("mouseup", 1)
            self.settle()
            if self.ask("answer = sidebar()")[2] > width:
                return True
        return False

    def settle(self) -> None:
        """Until Blender has taken in what the mouse did, however slow it draws."""
        for _ in range(3):
            time.sleep(0.03)
            self.ask("answer = 1")

    def press(self) -> None:
        """The left button down."""
        self.settle()
        self.do("mousedown", 1)
        self.settle()

    def picture(self, name: str, settle: float = 1.5) -> None:
        """The whole screen, as a PNG of few colours; the mouse out of the way."""
        self.do("mousemove", WIDTH // 2, HEIGHT - 3)
        time.sleep(settle)
        target = f"{PLACE}/{name}.png"
        subprocess.run(["import", "-window", "root", "-depth", "8", target], check=True, timeout=60)
        small = ["convert", target, "-dither", "None", "-colors", "192", "-define", "png:compression-level=9"]
        subprocess.run([*small, f"PNG8:{target}"], check=True, timeout=60)

    def close(self) -> None:
        """End both processes."""
        for process in (self.blender, self.screen):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
        self.log.close()


STATE = """
scene = bpy.context.scene
state = part("state")
clip = state.clip(scene)
answer = {"job": state.store.job is not None, "takes": len(clip.takes), "error": clip.error,
          "solved": clip.motion is not None, "rig": getattr(scene.posecore.target.armature, "name", None)}
"""
PROGRESS = """
job = part("state").store.job
answer = job.factor if job is not None else 1.0
"""
KEYED = """
armature = bpy.context.scene.posecore.target.armature
action = armature and armature.animation_data and armature.animation_data.action
answer = [action.name, list(action.frame_range)] if action else None
"""


def go(window: Window, video: str, seconds: float) -> dict:
    """The clicks of the issue; returns what was seen and measured."""
    window.wait(lambda: window.ask("answer = show_tab()"), 60, "the Mocap tab")
    window.ask("measure(); arrange()")
    seen = {"version": window.ask("answer = bpy.app.version_string"), "widened": window.widen(90)}
    window.ask("import shutil; shutil.rmtree(part('paths').cache_folder(), ignore_errors=True)")  # nothing known yet
    window.ask(f"bpy.context.scene.posecore.capture.source = {video!r}")
    if seconds:
        window.ask(
            "capture = bpy.context.scene.posecore.capture\n"
            f"capture.use_range, capture.first_frame, capture.last_frame = True, 0, {round(30 * seconds)}"
        )
    time.sleep(1.0)
    seen["redraw"] = window.ask("answer = redraws()")
    window.click("posecore.analyse")
    window.wait(lambda: window.ask(STATE)["job"] or window.ask(STATE)["takes"], 30, "the analysis")
    window.ask("[values.clear() for values in measured.values()]")
    window.wait(lambda: window.ask(PROGRESS) > 0.4, 120, "progress")
    window.picture("analysing", settle=0.1)
    window.wait(lambda: not window.ask(STATE)["job"], 600, "the end of the analysis")
    seen["analysis"] = window.ask("answer = {name: [len(v), max(v, default=0)] for name, v in measured.items()}")
    window.wait(lambda: window.ask(STATE)["solved"], 60, "the movement")
    window.click("posecore.use_active", from_right=49)
    window.wait(lambda: window.ask(STATE)["rig"], 20, "the target")
    time.sleep(1.0)
    window.wheel(-40)
    window.picture("analysed")
    window.wheel(9)
    window.picture("bones")
    window.ask("[values.clear() for values in measured.values()]")
    window.click("posecore.apply")
    window.wait(lambda: window.ask(KEYED), 60, "the action")
    seen["action"] = window.ask(KEYED)
    seen["apply"] = window.ask("answer = {name: [len(v), max(v, default=0)] for name, v in measured.items()}")
    window.ask("look_at_result()")
    window.wheel(40)
    window.picture("applied")
    seen["after"] = window.ask(STATE)
    return seen


def main() -> int:
    """Exit code 0 if all came as expected."""
    blend, video, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    window = Window(blend)
    result: dict = {}
    try:
        result = go(window, video, seconds)
    except (Trouble, subprocess.SubprocessError) as trouble:
        result = {"trouble": str(trouble)}
        if window.blender.poll() is None:
            window.picture("trouble")
    finally:
        window.close()
        with open(f"{PLACE}/window.json", "w", encoding="utf-8") as stream:
            json.dump(result, stream, indent=1)
    print(json.dumps(result))
    return 1 if "trouble" in result else 0


if __name__ == "__main__":
    sys.exit(main())
