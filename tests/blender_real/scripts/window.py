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
        command = ["blender", *size, blend, "-P", f"{HERE}/window_inside.py"]
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

    def find(self, name: str) -> tuple[int, int]:
        """Where in the sidebar the button of an operator or property is, felt with the mouse from top to bottom."""
        left, top, width, height = self.ask("answer = sidebar()")
        rows = []
        for y in range(top + STEP, top + height - STEP, STEP):
            self.move(left + (width - 20) // 2, y)
            if self.ask("answer = under_the_mouse()").lower() == name.lower():
                rows.append(y)
            elif rows:
                return left + (width - 20) // 2, rows[len(rows) // 2]
        if rows:
            return left + (width - 20) // 2, rows[len(rows) // 2]
        raise Trouble(f"no button {name} in the sidebar")

    def click(self, name: str) -> None:
        """A real click on a button of the sidebar."""
        x, y = self.find(name)
        self.move(x, y)
        self.do("click", 1)
        print(f"clicked {name} at {x}, {y}", flush=True)

    def wheel(self, clicks: int) -> None:
        """Scroll the sidebar; down for positive numbers."""
        left, top, width, height = self.ask("answer = sidebar()")
        self.move(left + width // 2, top + height // 2)
        for _ in range(abs(clicks)):
            self.do("click", 5 if clicks > 0 else 4)
            time.sleep(0.1)

    def picture(self, name: str) -> None:
        """The whole screen, as a PNG of few colours; the mouse out of the way."""
        self.do("mousemove", WIDTH // 2, HEIGHT - 3)
        time.sleep(1.5)
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
KEYED = """
armature = bpy.context.scene.posecore.target.armature
action = armature and armature.animation_data and armature.animation_data.action
answer = [action.name, list(action.frame_range)] if action else None
"""


def go(window: Window, video: str, seconds: float) -> dict:
    """The four clicks; returns what was seen and measured."""
    window.wait(lambda: window.ask("answer = show_tab()"), 60, "the Mocap tab")
    window.ask("measure()")
    seen = {"version": window.ask("answer = bpy.app.version_string")}
    window.ask(f"bpy.context.scene.posecore.capture.source = {video!r}")
    if seconds:
        window.ask(
            "capture = bpy.context.scene.posecore.capture\n"
            f"capture.use_range, capture.first_frame, capture.last_frame = True, 0, {round(30 * seconds)}"
        )
    time.sleep(1.0)
    window.click("POSECORE_OT_analyse")
    window.wait(lambda: window.ask(STATE)["job"] or window.ask(STATE)["takes"], 30, "the analysis")
    time.sleep(4.0)
    window.picture("analysing")
    window.ask("[values.clear() for values in measured.values()]")
    window.wait(lambda: not window.ask(STATE)["job"], 600, "the end of the analysis")
    seen["analysis"] = window.ask("answer = {name: [len(v), max(v, default=0)] for name, v in measured.items()}")
    window.wait(lambda: window.ask(STATE)["solved"], 60, "the movement")
    seen["after"] = window.ask(STATE)
    window.picture("analysed")
    window.click("POSECORE_OT_apply")
    window.wait(lambda: window.ask(KEYED), 60, "the action")
    seen["action"] = window.ask(KEYED)
    window.picture("applied")
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
