"""``ryu-manager ryu_pmipls.rms``, set up by ``./run setup`` on every supported Python of this machine."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ryu-pmipls"
VERSIONS = ("3.10", "3.11", "3.12", "3.13")
#: Fails with a message, or prints what it got: eight octets from OpenFlow over each IP version, and the health.
CLIENT = """
import http.client, json, socket
hello = {}
for address in "::1", "127.0.0.1":
    with socket.create_connection((address, 6653), timeout=5) as connection:
        hello[address] = connection.recv(8).hex()
connection = http.client.HTTPConnection("127.0.0.1", 8080, timeout=5)
connection.request("GET", "/v1/health")
response = connection.getresponse()
print(json.dumps({"hello": hello, "status": response.status, "health": json.loads(response.read())}))
"""


def _pythons() -> dict[str, Path]:
    """Version -> interpreter: the one that runs this, those on PATH, those under pyenv; the first of each version."""
    candidates = [Path(sys.base_prefix, "bin", "python3")]
    candidates += [Path(found) for version in VERSIONS if (found := shutil.which(f"python{version}"))]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    candidates += sorted(pyenv.glob("versions/*/bin/python3"))
    pythons: dict[str, Path] = {}
    for candidate in candidates:
        program = "import sys; print('%d.%d' % sys.version_info[:2], sys.executable)"
        process = subprocess.run([candidate, "-c", program], capture_output=True, text=True, check=False)
        version, _, executable = process.stdout.strip().partition(" ")
        if process.returncode == 0 and version in VERSIONS:
            pythons.setdefault(version, Path(executable))
    return dict(sorted(pythons.items(), key=lambda item: VERSIONS.index(item[0])))


PYTHONS = _pythons()


@pytest.fixture(scope="module", params=PYTHONS, ids=lambda version: f"python{version}")
def environment(request: pytest.FixtureRequest) -> Path:
    """The virtual environment that ``./run setup`` makes; kept, so that the next time only a change is installed."""
    venv = CACHE / f"python{request.param}"
    if request.param == "{}.{}".format(*sys.version_info) and Path(sys.prefix, "setup").is_dir():
        venv = Path(sys.prefix)  # the tests run in such an environment themselves
    CACHE.mkdir(parents=True, exist_ok=True)
    variables = os.environ | {"PYTHON": str(PYTHONS[request.param]), "VENV": str(venv)}
    done = subprocess.run([ROOT / "run", "setup"], env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return venv


@pytest.fixture
def namespace() -> Iterator[str]:
    """A network namespace with nothing but loopback, so that all ports are free."""
    name = f"ppk-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
        yield name
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


@pytest.fixture
def manager(environment: Path, namespace: str, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """``ryu-manager ryu_pmipls.rms`` for the default lab; the state directories of other RMSs are out of its sight."""
    hide = "mkdir -p /run/pmipls && mount -t tmpfs none /run/pmipls && exec"  # in the mounts of `ip netns exec` only
    # What a shell has in its background ignores SIGINT, and so does all that this starts.
    command = f"{hide} env --default-signal=INT PMIPLS_PROFILE=two-lma {environment}/bin/ryu-manager ryu_pmipls.rms"
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            ["ip", "netns", "exec", namespace, "sh", "-c", command], cwd=tmp_path, stdout=log, stderr=log
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


@pytest.mark.timeout(600)
def test_manager_serves_openflow_and_rest(
    environment: Path, namespace: str, manager: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    client = ["ip", "netns", "exec", namespace, f"{environment}/bin/python", "-c", CLIENT]
    deadline = time.monotonic() + 30
    while True:
        answer = subprocess.run(client, capture_output=True, text=True, check=False)
        if answer.returncode == 0 or manager.poll() is not None or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    log = (tmp_path / "log").read_text(encoding="utf-8")
    assert answer.returncode == 0, answer.stderr + log
    got = json.loads(answer.stdout)
    assert got["status"] == 200
    assert got["health"]
    for hello in got["hello"].values():
        version, message_type = bytes.fromhex(hello)[:2]
        assert (version, message_type) == (4, 0)  # OpenFlow 1.3, OFPT_HELLO
    manager.send_signal(signal.SIGINT)
    manager.wait(timeout=10)
    log = (tmp_path / "log").read_text(encoding="utf-8")
    assert not [word for word in ("Traceback", "Deprecat", "Warning", "not greened") if word in log], log


@pytest.mark.timeout(600)
def test_start_up_hook_waits_for_ryu(environment: Path, tmp_path: Path) -> None:
    def run(program: str) -> str:
        command = [f"{environment}/bin/python", "-c", program]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.strip()

    assert run("import sys; print({'eventlet', 'ryu', 'warnings', 'logging'} & set(sys.modules))") == "set()"
    assert run("import ryu.lib.hub, eventlet.wsgi as w; print(w.ALREADY_HANDLED)") == "[]"
    kept = "import eventlet.wsgi as w; w.ALREADY_HANDLED = 7; import ryu.lib.hub; print(w.ALREADY_HANDLED)"
    assert run(kept) == "7"


@pytest.mark.timeout(600)
def test_shipped_profiles_are_installed(environment: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [environment / "bin" / "pmipls", "check", "--profile", "two-lma"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    path = Path(done.stdout.partition(": valid")[0])
    assert path.is_relative_to(environment)
    shipped = ROOT / "topologies"
    names = {profile.relative_to(shipped) for profile in shipped.rglob("*.yaml")}
    assert {profile.relative_to(path.parent) for profile in path.parent.rglob("*.yaml")} == names
