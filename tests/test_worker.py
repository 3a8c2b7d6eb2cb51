"""The worker process over its pipes: real ones, with real and with scripted estimators."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from posecore.takes import Take
from posecore.worker import channel, estimators

ROOT = Path(__file__).resolve().parent.parent
WALK = ROOT / "examples" / "walk.mp4"
SCRIPT = Path(__file__).with_name("worker_script.py")


class Pipes:
    """A worker's two ends, with every event received kept."""

    def __init__(self, *command: str, cwd: Path = ROOT) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            cwd=cwd,
        )
        self._events: queue.SimpleQueue[dict] = queue.SimpleQueue()
        self.errors: list[bytes] = []
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=lambda: self.errors.extend(self.process.stderr), daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self._events.put(json.loads(line))

    def send(self, command: str, name: str | None = None, **fields) -> None:
        self.write(json.dumps({"command": command, "id": name, **fields}).encode())

    def write(self, line: bytes) -> None:
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def get(self, timeout: float = 30) -> dict:
        return self._events.get(timeout=timeout)

    def until(self, *kinds: str, job: str | None = None, where=lambda event: True) -> dict:
        """The next event of one of these kinds (of one job); those before it are dropped."""
        while True:
            event = self.get()
            if event["event"] in kinds and (job is None or event["id"] == job) and where(event):
                return event

    def end(self) -> int:
        self.process.stdin.close()
        try:
            return self.process.wait(5)
        finally:
            self.process.kill()


@pytest.fixture(scope="module")
def worker():
    pipes = Pipes("-m", "posecore.worker")
    yield pipes
    assert pipes.end() == 0


@pytest.fixture
def scripted(tmp_path):
    """``scripted(mode)`` starts a worker with a scripted estimator."""
    started = []

    def start(mode: str) -> Pipes:
        started.append(Pipes(str(SCRIPT), mode))
        return started[-1]

    yield start
    for pipes in started:
        pipes.process.kill()


def test_the_session_in_the_docs(worker, tmp_path):
    text = (ROOT / "docs" / "worker.md").read_text(encoding="utf-8").split("```")[1]
    lines = [(line[0], json.loads(line[2:])) for line in text.strip().splitlines()]
    pipes = Pipes("-m", "posecore.worker", cwd=tmp_path)
    for direction, expected in lines:
        if direction == ">":
            message = {k: str(ROOT / v) if k == "source" and "/" in v else v for k, v in expected.items()}
            pipes.write(json.dumps(message).encode())
            continue
        event = pipes.get()
        while expected["event"] == "progress" and event.get("done") != expected["done"]:
            event = pipes.get()
        assert set(event) == set(expected)
        for key in ("event", "id", "size", "rate", "count", "frames", "takes", "total", "kind", "exit_code", "stage"):
            assert event.get(key) == expected.get(key), key
    assert pipes.process.wait(5) == 0
    assert len(Take.load(tmp_path / "takes" / "walk.npz")) == 6


def test_what_is_no_command_is_answered_and_survived(worker):
    nonsense = [
        b"nonsense",
        b"[1, 2]",
        b'{"id": "x"}',
        b'{"command": []}',
        b'{"command": "hello", "id": {}}',
        b"\xff\xfe{",
        b"[" * 30_000,
        b'"text"',
    ]
    for line in nonsense:
        worker.write(line)
        event = worker.until("error")
        assert (event["kind"], event["id"]) == ("ProtocolError", None) and "\n" not in event["message"]
    worker.write(b"\n  \n")  # empty lines are nothing
    wrong = [
        ({"command": "dance"}, "is no command"),
        ({"command": "capture", "out_folder": "x"}, "'source' is missing"),
        ({"command": "capture", "source": "x", "out_folder": 7}, "'out_folder' is missing"),
        ({"command": "capture", "source": "x", "out_folder": "y", "colour": "red"}, "unknown option 'colour'"),
        ({"command": "capture", "source": "x", "out_folder": "y", "start": "soon"}, "start must be a number"),
        ({"command": "probe"}, "'source' is missing"),
    ]
    for message, text in wrong:
        worker.send(name="w", **message)
        event = worker.until("error", job="w")
        assert text in event["message"] and event["kind"] == "ProtocolError"
    worker.send("cancel", "nobody")
    worker.send("hello")
    assert worker.until("ready", "error")["event"] == "ready"


def test_a_users_errors_have_one_line_a_kind_and_an_exit_code(worker, tmp_path):
    (tmp_path / "broken.mp4").write_bytes(WALK.read_bytes()[:2000])
    (tmp_path / "file").write_text("")
    cases = [
        ("probe", {"source": str(tmp_path / "broken.mp4")}, "SourceError", 3),
        ("probe", {"source": str(WALK), "thumbnail": str(tmp_path / "no" / "t.png")}, "OutputError", 5),
        ("capture", {"source": str(tmp_path / "broken.mp4"), "out_folder": str(tmp_path)}, "SourceError", 3),
        ("capture", {"source": str(WALK), "out_folder": str(tmp_path / "file" / "x")}, "OutputError", 5),
        ("capture", {"source": str(WALK), "out_folder": str(tmp_path), "estimator": "best"}, "PosecoreError", 1),
        ("capture", {"source": str(WALK), "out_folder": str(tmp_path), "start": 99}, "SourceError", 3),
        ("self_test", {"provider": "abacus"}, "PosecoreError", 1),
    ]
    for command, fields, kind, code in cases:
        worker.send(command, "u", **fields)
        event = worker.until("error", "done", job="u")
        assert (event["event"], event.get("kind"), event.get("exit_code")) == ("error", kind, code)
        assert event["message"] and "\n" not in event["message"] and "details" not in event
        assert "--" not in event["message"]
    assert not list(tmp_path.glob("*.npz"))


def test_nobody_there(worker, tmp_path):
    from PIL import Image

    Image.new("RGB", (200, 150), (90, 90, 90)).save(tmp_path / "grey.png")
    worker.send("capture", "n", source=str(tmp_path / "grey.png"), out_folder=str(tmp_path), estimator="sapnet")
    event = worker.until("error", "done", job="n")
    assert (event["kind"], event["exit_code"]) == ("NoPersonError", 4)
    assert "no person found in 1 frames; choose a range" in event["message"]


def test_probe_writes_a_thumbnail(worker, tmp_path):
    from PIL import Image

    target = tmp_path / "small.png"
    worker.send("probe", "p", source=str(WALK), thumbnail=str(target))
    event = worker.until("done", "error", job="p")
    assert (event["size"], event["count"], event["seconds"], event["kind"]) == ([640, 480], 300, 10.0, "video")
    with Image.open(target) as picture:
        assert picture.size == (320, 240) and picture.format == "PNG"


def test_self_test_times_every_estimator(worker):
    worker.send("self_test", "s", provider="cpu")
    event = worker.until("done", "error", job="s")
    results = {result["name"]: result for result in event["results"]}
    assert event["ok"] and results["video"]["ok"]
    sapnet = results["sapnet"]
    assert sapnet["ok"] and sapnet["provider"] == "cpu" and 0 < sapnet["milliseconds"] < 5000
    assert "ms a frame on cpu" in sapnet["message"] and sapnet["message"] in event["message"]


def test_two_jobs_wait_for_each_other_and_overwrite_nothing(worker, tmp_path):
    for name in "ab":
        worker.send("capture", name, source=str(WALK), out_folder=str(tmp_path), estimator="sapnet", stop=0.3)
    ends = [worker.until("done", "error") for _ in "ab"]
    assert [(event["event"], event["id"]) for event in ends] == [("done", "a"), ("done", "b")]
    paths = [Path(path) for event in ends for path in event["takes"]]
    assert [path.name for path in paths] == ["walk.npz", "walk-2.npz"]
    first, second = map(Take.load, paths)
    np.testing.assert_array_equal(first.joints, second.joints)
    assert sorted(tmp_path.iterdir()) == sorted(paths)  # nothing temporary is left


def test_prints_do_not_break_the_protocol(scripted, tmp_path):
    pipes = scripted("prints")
    pipes.send("capture", "a", source=str(WALK), out_folder=str(tmp_path), stop=0.3)
    event = pipes.until("done", "error", job="a")
    assert event["event"] == "done" and event["frames"] == 9
    assert pipes.end() == 0
    said = b"".join(pipes.errors)
    assert b"a library says hello" in said and b"so does native code" in said


@pytest.mark.parametrize(
    ("mode", "kind", "text"), [("exits", "SystemExit", "unexpected"), ("no memory", "MemoryError", "not enough memory")]
)
def test_unexpected_errors_end_the_job_not_the_worker(scripted, tmp_path, mode, kind, text):
    pipes = scripted(mode)
    pipes.send("capture", "a", source=str(WALK), out_folder=str(tmp_path))
    event = pipes.until("done", "error", job="a")
    assert event["kind"] == kind and text in event["message"] and "Traceback" in event["details"]
    pipes.send("capture", "b", source=str(WALK), out_folder=str(tmp_path), stop=0.2)
    assert pipes.until("done", "error", job="b")["event"] == "done"


def test_networks_stay_loaded(scripted, tmp_path):
    pipes = scripted("plain")
    for name in "ab":
        pipes.send("capture", name, source=str(WALK), out_folder=str(tmp_path), stop=0.2)
        done = pipes.until("done", "error", job=name)
        assert done["estimator"] == "scripted, load 1" and done["estimator_choice"] == "auto chose scripted"
        assert Take.load(done["takes"][0]).notes["estimator_choice"] == "auto chose scripted"


def test_other_weights_are_loaded_anew(monkeypatch):
    entry = SimpleNamespace(card=SimpleNamespace(name="sapnet", files={"sapnet.onnx": "1"}), folder=Path())
    loads = []
    monkeypatch.setattr(estimators.weights, "listing", lambda: [entry])
    monkeypatch.setattr(estimators, "choose_estimator", lambda *key: (loads.append(key) or object(), ""))
    cache = estimators.EstimatorCache()
    first = cache.estimator("auto", "cpu")
    assert cache.estimator("auto", "cpu") is first
    assert cache.estimator("auto", "cuda") is not first
    entry.card.files["sapnet.onnx"] = "2"
    assert cache.estimator("auto", "cpu") is not first
    assert loads == [("auto", "cpu"), ("auto", "cuda"), ("auto", "cpu")]


def test_a_probe_does_not_wait_for_a_capture(scripted, tmp_path):
    pipes = scripted("plain")
    pipes.send("capture", "a", source=str(WALK), out_folder=str(tmp_path))
    pipes.until("progress", where=lambda event: event["stage"] == "capture")
    pipes.send("probe", "p", source=str(WALK))
    assert pipes.until("done")["id"] == "p"


def test_cancel_in_the_middle_of_a_long_search(scripted, tmp_path):
    pipes = scripted("slow search")
    pipes.send("capture", "a", source=str(WALK), out_folder=str(tmp_path))
    pipes.send("capture", "b", source=str(WALK), out_folder=str(tmp_path))
    pipes.until("progress", job="a", where=lambda event: event["done"])
    time.sleep(1.0)  # it searches now, for half a minute
    pipes.send("cancel", "b")
    queued = pipes.until("error")
    assert (queued["id"], queued["kind"], queued["takes"]) == ("b", "Cancelled", [])
    began = time.monotonic()
    pipes.send("cancel", "a")
    event = pipes.until("error")
    assert time.monotonic() - began < 1.0  # 0.2 s on a machine that has nothing else to do
    assert (event["kind"], event["exit_code"]) == ("Cancelled", 130)
    take = Take.load(event["takes"][0])
    assert Path(event["takes"][0]).name == "walk.partial.npz" and "partial" in event["message"]
    assert 5 < len(take) == event["frames"] < 15


def test_cancel_while_networks_load(scripted, tmp_path):
    pipes = scripted("slow loading")
    pipes.send("capture", "a", source=str(WALK), out_folder=str(tmp_path))
    pipes.until("progress")
    began = time.monotonic()
    pipes.send("cancel", "a")
    event = pipes.until("error", "done")
    assert event["kind"] == "Cancelled" and event["takes"] == [] and time.monotonic() - began < 1.0
    pipes.send("probe", "p", source=str(WALK))
    assert pipes.until("done")["id"] == "p"


def test_a_full_disk_costs_no_capture(scripted, tmp_path):
    pipes = scripted("plain")
    pipes.send("capture", "a", source=str(WALK), out_folder=str(tmp_path / "full"), stop=0.3)
    event = pipes.until("done", "error", job="a")
    assert (event["event"], event["kind"], event["exit_code"]) == ("error", "OutputError", 5)
    kept = Path(event["takes"][0])
    assert "No space left" in event["message"] and str(kept.parent) in event["message"]
    assert len(Take.load(kept)) == 9
    kept.unlink()
    kept.parent.rmdir()


@pytest.mark.parametrize("mode", ["idle", "slow loading", "slow search"])
def test_it_ends_with_its_stdin(scripted, tmp_path, mode):
    pipes = scripted(mode)
    pipes.send("hello")
    pipes.until("ready")
    if mode != "idle":
        pipes.send("capture", "a", source=str(WALK), out_folder=str(tmp_path))
        pipes.until("progress")
    began = time.monotonic()
    pipes.process.stdin.close()
    assert pipes.process.wait(10) == 0
    assert time.monotonic() - began < 2.0  # 1 s on a machine that has nothing else to do


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_it_gives_signs_of_life(scripted, tmp_path):
    pipes = scripted("slow loading")
    pipes.send("capture", "a", source=str(WALK), out_folder=str(tmp_path))
    assert pipes.until("alive")["seconds"] >= 0
    pipes.process.send_signal(signal.SIGKILL)


def test_values_are_plain_json():
    read, write = os.pipe()
    pipe = channel.Channel(read, write)
    pipe.emit(
        "x", None, a=np.float32(0.5), b=float("nan"), c=(1, np.int64(2)), d=Path("p"), e=np.zeros((1, 2)), f="é\udcff"
    )
    os.close(write)
    message = json.loads(next(pipe.lines()))
    assert message == {
        "event": "x", "id": None, "a": 0.5, "b": None, "c": [1, 2], "d": "p", "e": [[0.0, 0.0]], "f": "é\udcff"
    }  # fmt: skip
    os.close(read)
