"""One real Blender in a sandbox: its own system, no network, a work folder, and this checkout to read."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent

#: Where things are inside: the work folder (to write), the checkout and the shared data (to read).
WORK, CHECKOUT, DATA = "/mnt", "/srv", "/media"


def data_folder() -> Path | None:
    """The shared data, or None."""
    folder = Path(os.environ.get("POSECORE_DATA") or ROOT.parent / "shared" / "data")
    return folder if folder.is_dir() else None


@dataclass(frozen=True)
class Box:
    """A sandbox around a root folder.

    Attributes:
        rootfs: the system's root folder.
        work: a folder of this machine that is ``/mnt`` inside; Blender's user files are below it.
        environment: variables for everything that runs inside.
    """

    rootfs: Path
    work: Path
    environment: dict[str, str] = field(default_factory=dict)

    def command(self, *words: str, environment: dict[str, str] | None = None) -> list[str]:
        """The bwrap command that runs ``words`` inside."""
        (self.work / "home").mkdir(parents=True, exist_ok=True)
        command = ["bwrap", "--bind", str(self.rootfs), "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
        command += ["--bind", str(self.work), WORK, "--ro-bind", str(ROOT), CHECKOUT]
        if data := data_folder():
            command += ["--ro-bind", str(data), DATA]
        command += ["--unshare-net", "--unshare-pid", "--die-with-parent", "--clearenv", "--chdir", WORK]
        variables = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": f"{WORK}/home",
            "LC_ALL": "C.UTF-8",
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "2"),
            **self.environment,
            **(environment or {}),
        }
        for name, value in variables.items():
            command += ["--setenv", name, value]
        return [*command, *words]

    def run(
        self, *words: str, timeout: float = 300.0, environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside; its exit code and what it wrote, never an exception for failing."""
        return subprocess.run(
            self.command(*words, environment=environment),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )

    def blender(self, *words: str, timeout: float = 300.0) -> subprocess.CompletedProcess[str]:
        """``blender -b`` with these arguments."""
        return self.run("blender", "-b", *words, timeout=timeout)

    def script(self, name: str, *words: str, blend: str | None = None, timeout: float = 300.0) -> dict[str, Any]:
        """Run a file of ``scripts/`` in Blender with the user's settings; the JSON of its last line.

        Raises:
            AssertionError: it failed, with what it wrote.
        """
        place = f"{CHECKOUT}/tests/blender_real/scripts/{name}"
        opened = [blend] if blend else []
        done = self.blender(*opened, "--python-exit-code", "3", "-P", place, "--", *words, timeout=timeout)
        told = f"{name} {' '.join(words)}: exit code {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        assert done.returncode == 0, told
        for line in reversed(done.stdout.splitlines()):
            if line.startswith("{"):
                result: dict[str, Any] = json.loads(line)
                return result
        raise AssertionError(f"no result: {told}")
