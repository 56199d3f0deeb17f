"""The audit log: complete after any end of a process, of bounded size, and not to be flooded by strangers."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ryu_pmipls.agents.api_client import request
from ryu_pmipls.http.access.audit_log import AuditLog, read_audit
from ryu_pmipls.http.access.audit_trail import AuditTrail
from ryu_pmipls.http.access.roles import Client, UnixUser
from tests.unit.agents.full_disk import disk_with_room_for
from tests.waiting import eventually

CLIENT = Client("2001:db8::1")
NOW = 1_800_000_000.0


class Trail(AuditTrail):
    """A trail in a directory, at a time that stands."""

    def __init__(self, directory: Path, **more: Any) -> None:
        self.log = AuditLog(directory, **more)
        self.moment = 0.0
        super().__init__(self.log, lambda: NOW + self.moment, lambda: self.moment)

    def command(self, path: str = "/v1/policy", status: int | None = 200) -> None:
        key = self.begin("token alice", CLIENT, "POST", path, b'{"policy": "draft"}')
        if status is not None:
            self.end(key, status, "done")

    def stranger(self) -> None:
        self.refuse("nobody", CLIENT, "POST", "/v1/policy", b"{}", 401, "no such token")


def test_a_command_is_recorded_with_what_came_of_it(tmp_path: Path) -> None:
    trail = Trail(tmp_path / "state")
    trail.command()
    trail.refuse("token bob", CLIENT, "POST", "/v1/lmas/lma1/drain", b"{}", 403, "wrong role")
    done, refused = read_audit(tmp_path / "state")
    assert done == {
        "time": NOW,
        "who": "token alice",
        "from": "2001:db8::1",
        "method": "POST",
        "path": "/v1/policy",
        "body": '{"policy": "draft"}',
        "status": 200,
        "outcome": "done",
    }
    assert (refused["who"], refused["status"], refused["outcome"]) == ("token bob", 403, "wrong role")
    assert stat.S_IMODE((tmp_path / "state" / "audit.jsonl").stat().st_mode) == 0o600


def test_commands_since_a_moment_are_shown(tmp_path: Path) -> None:
    trail = Trail(tmp_path)
    for moment in range(5):
        trail.moment = moment
        trail.command(f"/v1/{moment}")
    assert [record["path"] for record in read_audit(tmp_path, NOW + 3)] == ["/v1/3", "/v1/4"]
    assert [*read_audit(tmp_path / "nowhere")] == []


def test_a_command_whose_process_ended_has_no_outcome(tmp_path: Path) -> None:
    Trail(tmp_path).command(status=None)
    (record,) = read_audit(tmp_path)
    assert "status" not in record and record["path"] == "/v1/policy"


@pytest.mark.parametrize("torn", [b'{"id": "1", "who": "al', b"\xff\xfe", b"[5]\n", b"5", b"[" * 5000])
def test_a_torn_line_costs_no_other(tmp_path: Path, torn: bytes) -> None:
    Trail(tmp_path).command("/v1/1")
    with (tmp_path / "audit.jsonl").open("ab") as file:
        file.write(torn)
    assert [record["path"] for record in read_audit(tmp_path)] == ["/v1/1"]
    Trail(tmp_path).command("/v1/2")
    assert [record["path"] for record in read_audit(tmp_path)] == ["/v1/1", "/v1/2"]


def test_the_log_is_bounded_and_the_latest_commands_are_kept(tmp_path: Path) -> None:
    trail = Trail(tmp_path, max_size=2000, kept=3)
    for number in range(200):
        trail.command(f"/v1/{number}")
    files = sorted(tmp_path.iterdir())
    assert [path.name for path in files] == ["audit.jsonl", "audit.jsonl.1", "audit.jsonl.2", "audit.jsonl.3"]
    assert all(path.stat().st_size <= 2000 for path in files)
    kept = [int(record["path"].removeprefix("/v1/")) for record in read_audit(tmp_path)]
    assert kept == [*range(kept[0], 200)] and len(kept) > 10
    Trail(tmp_path, max_size=2000, kept=3).command("/v1/200")
    assert [record["path"] for record in read_audit(tmp_path)][-1] == "/v1/200"


def test_a_long_document_is_shortened(tmp_path: Path) -> None:
    trail = Trail(tmp_path)
    trail.end(trail.begin("x", Client(user=UnixUser(7)), "POST", "/v1/" + "p" * 9999, b"\xff" * 65536), 400, "no")
    (record,) = read_audit(tmp_path)
    assert record["path"] == "/v1/" + "p" * 296 + "... (10003 characters)"
    assert record["body"].startswith("\\xff") and len(record["body"]) < 600
    assert record["from"] == "the Unix socket"


def test_strangers_do_not_push_commands_out_but_are_counted(tmp_path: Path) -> None:
    trail = Trail(tmp_path)
    for _ in range(1000):
        trail.stranger()
    trail.command()
    trail.refuse("token bob", CLIENT, "POST", "/v1/policy", b"{}", 403, "wrong role")
    assert len([*read_audit(tmp_path)]) == 62
    trail.moment = 61
    trail.stranger()
    assert sum(record.get("unrecorded_before", 0) for record in read_audit(tmp_path)) == 940


def test_a_full_disk_refuses_a_command_before_it_is_carried_out_and_is_survived(tmp_path: Path) -> None:
    trail = Trail(tmp_path)
    trail.command("/v1/1")
    size = (tmp_path / "audit.jsonl").stat().st_size
    with disk_with_room_for(size + 10), pytest.raises(OSError, match="large"):
        trail.begin("x", CLIENT, "POST", "/v1/2", b"{}")
    trail.command("/v1/3")
    assert [record["path"] for record in read_audit(tmp_path)] == ["/v1/1", "/v1/3"]


#: A server with a command that leaves its mark on the disk, and its audit log.
_SERVER = """
import asyncio, os, sys
from pathlib import Path
from ryu_pmipls.http.access.audit_log import AuditLog
from ryu_pmipls.http.access.audit_trail import AuditTrail
from ryu_pmipls.http.access.control import AccessControl, Rules
from ryu_pmipls.http.access.roles import AccessRole
from ryu_pmipls.http.access.tokens import TokenFile
from ryu_pmipls.http.application import RestApplication
from ryu_pmipls.http.server import HttpServer

directory = Path(sys.argv[1])
marks = os.open(directory / "marks", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

def mark(document, number):
    os.write(marks, f"{number}\\n".encode())
    return {}

access = AccessControl(Rules(own_uid=os.geteuid()), TokenFile(directory))
trail = AuditTrail(AuditLog(directory, max_size=200_000, kept=8))
application = RestApplication(access=access, audit=trail)
application.obey("/v1/marks/{number}", AccessRole.OPERATE, mark)
asyncio.run(HttpServer(application).listen_at_path(directory / "socket"))
"""


@pytest.mark.parametrize("round_", range(3))
def test_the_log_is_complete_after_a_kill(tmp_path: Path, round_: int) -> None:
    """What was answered is there with its outcome; what left a mark is there, answered or not."""
    path = tmp_path / "socket"
    with subprocess.Popen([sys.executable, "-c", _SERVER, str(tmp_path)]) as server:
        eventually(path.is_socket, "a server")
        (killer := subprocess.Popen(["sh", "-c", f"sleep 0.{3 + round_}; kill -9 {server.pid}"])).poll()
        answered = []
        try:
            for number in range(100_000):
                assert request(path, f"/v1/marks/{number}", {})[0] == 200
                answered.append(number)
        except OSError:
            pass
        assert killer.wait() == 0 and server.wait() == -signal.SIGKILL
    records = {int(each["path"].rpartition("/")[2]): each for each in read_audit(tmp_path)}
    assert len(answered) > 10
    assert all(records[number]["status"] == 200 for number in answered)
    marks = [int(line) for line in (tmp_path / "marks").read_text().split()]
    assert {*marks} <= {*records} and {*marks} >= {*answered}
    assert len(records) <= len(answered) + 1
    assert {record["who"] for record in records.values()} == {f"uid {os.geteuid()}"}
