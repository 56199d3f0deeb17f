from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from ryu_pmipls.domain.profile import load_profile
from ryu_pmipls.lab import processes
from ryu_pmipls.lab.daemons import Daemons
from ryu_pmipls.lab.lab_layout import plan
from tests.waiting import eventually

SLEEP = [sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)",
]


def test_a_process_is_found_by_its_mark_and_not_by_another(tmp_path: Path) -> None:
    prefix = f"u{os.getpid()}"
    child = processes.start(f"{prefix}:one", SLEEP, tmp_path / "log")
    try:
        found = eventually(lambda: processes.find(f"{prefix}:one"))
        assert found.pid == child.pid
        assert processes.find(f"{prefix}:two") is None
        assert [process.pid for process in processes.of_lab(prefix, set())] == [child.pid]
        assert processes.of_lab(f"{prefix}x", set()) == []
    finally:
        child.kill()
        child.wait()


def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    children = [processes.start("unit:x", argv, log) for argv in (SLEEP, STUBBORN)]
    eventually(lambda: log.read_text().count("ready") == 2)
    processes.stop([psutil.Process(child.pid) for child in children], patience=0.3)
    assert all(child.poll() is not None for child in children)


def test_stopping_what_has_ended_is_no_error(tmp_path: Path) -> None:
    child = processes.start("unit:x", SLEEP, tmp_path / "log")
    ended = psutil.Process(child.pid)
    child.kill()
    child.wait()
    processes.stop([ended])
    assert processes.find("unit:x") is None


def test_listening_ports_are_seen() -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as listener:
        listener.bind(("::1", 0))
        port = listener.getsockname()[1]
        assert port not in processes.listening_ports(os.getpid())
        listener.listen()
        assert port in processes.listening_ports(os.getpid())


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a\nb\nc\n", "    b\n    c"), ("", "    (it wrote nothing)"), (None, "    (it wrote nothing)")],
)
def test_last_lines(tmp_path: Path, text: str | None, expected: str) -> None:
    log = tmp_path / "log"
    if text is not None:
        log.write_text(text)
    assert processes.last_lines(log, 2) == expected


#: Ends its first thread; the other one goes on, and with it whatever the process has open.
HALF_DEAD = [
    sys.executable,
    "-c",
    "import ctypes, threading, time; threading.Thread(target=time.sleep, args=(60,)).start(); "
    "print('ready', flush=True); ctypes.CDLL(None).pthread_exit(None)",
]


def test_a_daemon_runs_until_its_last_thread_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = load_profile("two-lma")
    daemons = Daemons(profile, plan(profile), tmp_path, tmp_path / "profile.yaml", {})
    (tmp_path / "log").mkdir()
    start = processes.start

    def start_half_dead(mark: str, _argv: list[str], log: Path, *_rest: object) -> subprocess.Popen[bytes]:
        return start(f"u{os.getpid()}:{mark}", HALF_DEAD, log)

    monkeypatch.setattr(processes, "start", start_half_dead)
    daemons.start("rms")
    child = daemons.process("rms")
    assert child is not None
    eventually(lambda: child.status() == psutil.STATUS_ZOMBIE, "the end of its first thread")
    assert daemons.pid("rms") == child.pid
    assert daemons.ended("rms") is None
    assert daemons.kill("rms")
    assert not child.is_running()
    assert daemons.ended("rms") == -signal.SIGKILL
    assert daemons.pid("rms") is None
    assert not daemons.kill("rms")
