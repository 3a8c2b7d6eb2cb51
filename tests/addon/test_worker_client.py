"""The add-on's client of the worker: a real worker, and stubs that misbehave."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import posecore
from addon import worker_process
from addon.worker_client import Limits, WorkerClient
from posecore.takes import Take

ROOT = Path(__file__).resolve().parent.parent.parent
WALK = ROOT / "examples" / "walk.mp4"

#: A server of a few lines; MODE says how it misbehaves.
STUB = """
import json, os, sys, time
mode = sys.argv[1]
def say(event, job=None, **values):
    os.write(1, (json.dumps({"event": event, "id": job, **values}) + "\\n").encode())
if mode == "never ready":
    time.sleep(60)
for line in sys.stdin:
    message = json.loads(line)
    command, job = message["command"], message["id"]
    if command == "hello":
        say("ready", posecore="0.0.7" if mode == "other version" else sys.argv[2], executable="stub python")
    elif command == "shutdown" and mode == "deaf":
        time.sleep(60)
    elif command == "capture":
        say("progress", job, done=1, total=2, fps=1.0, seconds_left=1.0)
        if mode == "stray":
            os.write(1, b"a stray line\\n{broken\\n[1]\\n\\n")
            say("unheard of", job)
            say("done", "another job")
            say("done", job, takes=[])
        if mode == "alive":
            for _ in range(8):
                time.sleep(0.1)
                say("alive", job)
            say("done", job, takes=[])
        if mode == "exit":
            print("the last words", file=sys.stderr, flush=True)
            os._exit(9)
        if mode == "floods":
            sys.stderr.write("x" * 100_000 + "\\n" + "line\\n" * 5000)
            sys.stderr.flush()
            say("done", job, takes=[])
"""


@pytest.fixture
def stub():
    """``stub(mode, **limits)``: a client of a stub."""
    clients = []

    def make(mode: str, **limits: float) -> WorkerClient:
        command = [sys.executable, "-c", STUB, mode, posecore.__version__]
        clients.append(WorkerClient(command=command, limits=Limits(**limits)))
        return clients[-1]

    yield make
    for client in clients:
        client.stop()
        assert client.state == "stopped"


@pytest.fixture(scope="module")
def client():
    """A client of a real worker."""
    client = WorkerClient(environment={"OMP_NUM_THREADS": "1"})
    yield client
    client.stop()


def until(client: WorkerClient, wanted, seconds: float = 30) -> list:
    """Events polled until ``wanted(event)``, which is the last of them."""
    seen = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for event in client.poll():
            seen.append(event)
            if wanted(event):
                return seen
        time.sleep(0.01)
    raise AssertionError(f"not within {seconds} s; seen: {seen}")


def gone(pid: int, seconds: float = 5) -> bool:
    """Whether a process ends in that time (a zombie that nobody has fetched yet has ended)."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
            os.kill(pid, 0)
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.02)
    return False


def test_a_capture_gives_what_the_library_gives(client, tmp_path):
    folder = tmp_path / "Aufnahmen für später"
    folder.mkdir()
    source = folder / "Gang ü 走る.mp4"
    source.write_bytes(WALK.read_bytes())
    assert client.state == "stopped" and not client.alive
    job = client.capture(source, folder / "new", estimator="sapnet", start=0.1, stop=0.6)
    assert client.state == "starting" and client.alive
    events: list = []
    end = client.wait(job, 60, events.append)
    assert client.state == "ready" and end.kind == "done" and end in events
    ready = next(event for event in events if event.kind == "ready")
    assert ready.values["posecore"] == posecore.__version__ and "cpu" in ready.values["providers"]
    assert client.about is ready.values
    sapnet = next(entry for entry in ready.values["estimators"] if entry["name"] == "sapnet")
    assert 0 < sapnet["rank"] < 1 and sapnet["licence"]
    progress = [event.values for event in events if event.kind == "progress" and event.job == job]
    assert progress[0]["stage"] == "loading" and progress[-1]["done"] == progress[-1]["total"] == 15
    assert {"fps", "seconds_left"} <= set(progress[-1])
    path = Path(end.values["takes"][0])
    assert path == folder / "new" / "Gang_ü_走る.npz" and end.values["frames"] == 15
    (ours,) = posecore.capture(str(source), estimator="sapnet", start=0.1, stop=0.6)
    theirs = Take.load(path)
    for name in ("times", "keypoints", "confidence", "joints", "joints_raw", "boxes", "frames"):
        np.testing.assert_array_equal(getattr(theirs, name), getattr(ours, name))


def test_cancel_keeps_the_frames_and_the_worker(client, tmp_path):
    job = client.capture(WALK, tmp_path, estimator="sapnet")
    until(client, lambda event: event.kind == "progress" and event.values["done"] >= 5)
    assert client.state == "busy"
    began = time.monotonic()
    client.cancel(job)
    client.cancel(job)
    end = client.wait(job, 20)
    assert time.monotonic() - began < 5  # 0.2 s on a machine that has nothing else to do
    assert (end.kind, end.values["kind"], end.values["exit_code"]) == ("error", "Cancelled", 130)
    assert len(Take.load(end.values["takes"][0])) == end.values["frames"] >= 5
    pid = client.pid
    assert client.wait(client.probe(WALK), 20).values["count"] == 300
    assert client.pid == pid


def test_poll_takes_no_time(client, tmp_path):
    job = client.capture(WALK, tmp_path, estimator="sapnet", stop=0.5)
    times = []
    end = None
    while end is None:
        began = time.thread_time()
        events = client.poll()
        times.append(time.thread_time() - began)
        end = next((event for event in events if event.job == job and event.kind == "done"), None)
        time.sleep(0.002)
    assert max(times) < 0.01 and np.median(times) < 0.001
    with pytest.raises(KeyError):
        client.wait("capture-999")


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_killed_in_the_middle(client, tmp_path):
    jobs = [client.capture(WALK, tmp_path, estimator="sapnet") for _ in range(2)]
    until(client, lambda event: event.kind == "progress" and event.values["done"] >= 2)
    os.kill(client.pid, signal.SIGKILL)
    events = until(client, lambda event: event.kind == "crashed")
    time.sleep(0.3)
    events += client.poll()
    assert [event.kind for event in events].count("crashed") == 1
    crash = next(event for event in events if event.kind == "crashed")
    assert crash.job == jobs[0] and crash.values["jobs"] == jobs
    assert crash.values["signal"] == "SIGKILL" and crash.values["exit_code"] == -9
    assert "memory ran out" in crash.values["message"] and "while working" in crash.values["message"]
    assert client.state == "crashed" and not client.alive
    assert client.wait(jobs[1], 0) == crash
    again = client.capture(WALK, tmp_path, estimator="sapnet", stop=0.2)
    assert client.wait(again, 60).kind == "done" and client.state == "ready"


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_native_crash_names_its_reason(tmp_path):
    command = [sys.executable, str(ROOT / "tests" / "worker_script.py"), "aborts"]
    client = WorkerClient(command=command)
    try:
        end = client.wait(client.capture(WALK, tmp_path), 60)
    finally:
        client.stop()
    assert end.kind == "crashed" and end.values["signal"] == "SIGABRT"
    assert "worker_script.py" in end.values["details"]  # faulthandler's stack


def test_a_worker_that_is_never_ready(stub, tmp_path):
    client = stub("never ready", start=0.5)
    job = client.capture(WALK, tmp_path)
    began = time.monotonic()
    end = client.wait(job, 10)
    assert end.kind == "crashed" and end.values["kind"] == "TimedOut" and "did not start" in end.values["message"]
    assert time.monotonic() - began < 6 and client.state == "crashed"


def test_no_sign_of_life(stub, tmp_path):
    client = stub("silent", silence=0.6)
    until_ready(client)
    pid = client.pid
    time.sleep(0.8)
    assert client.poll() == [] and client.state == "ready"  # an idle worker may be silent
    end = client.wait(client.capture(WALK, tmp_path), 10)
    assert end.kind == "crashed" and "sign of life" in end.values["message"]
    assert os.name == "nt" or gone(pid)


def until_ready(client: WorkerClient) -> None:
    client.start()
    client.start()  # starts no second one
    until(client, lambda event: event.kind == "ready")


def test_heartbeats_are_a_sign_of_life(stub, tmp_path):
    client = stub("alive", silence=0.6)
    assert client.wait(client.capture(WALK, tmp_path), 10).kind == "done"


def test_our_own_absence_is_not_the_workers_silence(stub, tmp_path, monkeypatch):
    client = stub("silent", silence=60.0)
    job = client.capture(WALK, tmp_path)
    until(client, lambda event: event.kind == "progress")
    real = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: real() + 3600)  # the lid was closed
    assert client.poll() == [] and client.state == "busy"
    monkeypatch.setattr(time, "monotonic", real)
    client.cancel(job)


def test_a_cancel_that_is_not_heard(stub, tmp_path):
    client = stub("silent", cancel=0.5)
    job = client.capture(WALK, tmp_path)
    until(client, lambda event: event.kind == "progress")
    client.cancel(job)
    end = client.wait(job, 10)
    assert end.kind == "crashed" and "did not stop" in end.values["message"]


def test_stop_ends_a_deaf_worker_and_its_jobs(stub, tmp_path):
    client = stub("deaf", stop=0.4)
    job = client.capture(WALK, tmp_path)
    until(client, lambda event: event.kind == "progress")
    pid, began = client.pid, time.monotonic()
    client.stop()
    assert time.monotonic() - began < 6 and client.state == "stopped" and not client.alive
    assert os.name == "nt" or gone(pid)
    end = client.wait(job, 0)
    assert end.values["kind"] == "Cancelled" and client.poll() == []


def test_another_version_is_refused(stub, tmp_path):
    client = stub("other version")
    end = client.wait(client.capture(WALK, tmp_path), 10)
    assert end.kind == "crashed" and end.values["kind"] == "VersionMismatch"
    assert "0.0.7" in end.values["message"] and f'posecore=={posecore.__version__}"' in end.values["message"]
    assert not client.alive


def test_what_is_no_event_is_kept_as_log(stub, tmp_path):
    client = stub("stray")
    events: list = []
    assert client.wait(client.capture(WALK, tmp_path), 10, events.append).kind == "done"
    said = [event.values["message"] for event in events if event.kind == "log"]
    assert said == ["a stray line", "{broken", "[1]"] == list(client.log)
    assert {event.kind for event in events} == {"ready", "progress", "log", "done"}


def test_an_exit_tells_the_last_words(stub, tmp_path):
    client = stub("exit")
    end = client.wait(client.capture(WALK, tmp_path), 10)
    assert end.kind == "crashed" and end.values["exit_code"] == 9
    assert "exit code 9" in end.values["message"] and "the last words" in end.values["message"]


def test_a_flood_of_error_output_is_bounded(stub, tmp_path):
    client = stub("floods")
    assert client.wait(client.capture(WALK, tmp_path), 20).kind == "done"
    deadline = time.monotonic() + 5
    while len(client.log) < client.log.maxlen and time.monotonic() < deadline:
        client.poll()
        time.sleep(0.02)
    assert len(client.log) == client.log.maxlen and max(map(len, client.log)) <= 2000


def test_no_such_python(tmp_path):
    client = WorkerClient(str(tmp_path / "python"))
    for _ in range(2):
        job = client.capture(WALK, tmp_path)
        (event,) = client.poll()
        assert event.kind == "crashed" and event.job == job and "no such Python" in event.values["message"]
        assert client.wait(job, 0).values["jobs"] == [job] and client.state == "crashed"
    (tmp_path / "text").write_text("no program")
    client = WorkerClient(str(tmp_path / "text"))
    end = client.wait(client.capture(WALK, tmp_path), 10)
    assert end.kind == "crashed" and "cannot be started" in end.values["message"]


def test_a_python_without_posecore(tmp_path):
    client = WorkerClient(command=[sys.executable, "-I", "-S", "-m", "posecore.worker"])
    end = client.wait(client.self_test(), 20)
    assert end.kind == "crashed" and end.values["kind"] == "NoPosecore" and "pip install" in end.values["message"]


def test_which_python(monkeypatch, tmp_path):
    assert worker_process.find_python() == sys.executable
    name = "python.exe" if os.name == "nt" else f"python{sys.version_info[0]}.{sys.version_info[1]}"
    beside = tmp_path / "bin" / name
    blender = tmp_path / "blender"
    beside.parent.mkdir()
    for path in (beside, blender):
        path.write_text("")
    for executable in (str(blender), "", None):
        monkeypatch.setattr(sys, "executable", executable)
        monkeypatch.setattr(sys, "prefix", str(tmp_path))
        assert worker_process.find_python() == str(beside)
    assert worker_process.python_at(f' "{beside}" ') == str(beside)
    assert worker_process.python_at(str(tmp_path)) in (str(beside), str(beside.with_name("python3")))
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="no Python in this folder"):
        worker_process.python_at(str(tmp_path / "empty"))


def test_the_workers_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONHOME", "wrong")
    monkeypatch.setenv("PYTHONPATH", "relative")
    monkeypatch.setenv("KEPT", "yes")
    monkeypatch.delenv("PYTHONNOUSERSITE", raising=False)
    own = worker_process.child_environment(True, [str(tmp_path)], {"POSECORE_WEIGHTS": "w"})
    folders = own["PYTHONPATH"].split(os.pathsep)
    assert folders[0] == str(tmp_path) and str(ROOT) in folders and str(Path(np.__file__).parent.parent) in folders
    assert all(map(os.path.isabs, folders)) and len(set(folders)) == len(folders)
    assert "PYTHONHOME" not in own and own["PYTHONNOUSERSITE"] == "1" and own["POSECORE_WEIGHTS"] == "w"
    other = worker_process.child_environment(False)
    assert "PYTHONPATH" not in other and "PYTHONNOUSERSITE" not in other and other["KEPT"] == "yes"


def test_windows_exit_codes_in_words():
    assert "access violation" in worker_process.describe_end(0xC0000005)[0]
    assert "memory" in worker_process.describe_end(0xC000012D - (1 << 32))[0]
    assert worker_process.describe_end(3) == ("it ended with exit code 3", None)


PARENT = """
import os, signal, sys, time
from addon.worker_client import WorkerClient
client = WorkerClient()
client.start()
while client.state == "starting":
    client.poll()
    time.sleep(0.01)
print(client.pid, client.state, flush=True)
if sys.argv[1] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals and /proc")
@pytest.mark.parametrize("how", ["killed", "leaves"])
def test_no_worker_survives_its_program(how):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", PARENT, how], env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == (-9 if how == "killed" else 0), done.stderr
    assert done.stderr == "" and time.monotonic() - began < 15
    pid, state = done.stdout.split()
    assert state == "ready" and gone(int(pid))


def test_importing_the_client_needs_nothing_else():
    code = "import sys, addon.worker_client; print(json.dumps(sorted(sys.modules)))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    out = subprocess.run(
        [sys.executable, "-c", f"import json; {code}"], env=environment, capture_output=True, text=True, check=True
    )
    assert not set(json.loads(out.stdout)) & {"bpy", "numpy", "onnxruntime", "posecore.capturing"}
