"""Who may use an agent's Unix socket: root and its user everything, its group reading, others nothing."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ryu_pmipls.http.access.control import AccessControl, Rules
from ryu_pmipls.http.access.roles import AccessRole
from ryu_pmipls.http.access.tokens import TokenFile
from ryu_pmipls.http.application import RestApplication
from ryu_pmipls.http.server import HttpServer

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")

#: User and group of the server, and of somebody else.
USER, GROUP, STRANGER, OTHER_GROUP = 23456, 23457, 34567, 34568
_CLIENT = """
import json, os, socket, sys
path, uid, *groups = sys.argv[1:]
os.setgroups([int(group) for group in groups[1:]])
os.setgid(int(groups[0]))
os.setuid(int(uid))
found = []
for line in ("GET /v1", "POST /v1/drain"):
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(path)
        except PermissionError:
            found.append("no access")
            continue
        head = f"{line} HTTP/1.1\\r\\nHost: localhost\\r\\nContent-Type: application/json\\r\\n"
        connection.sendall(f"{head}Content-Length: 2\\r\\n\\r\\n{{}}".encode())
        octets = b""
        while came := connection.recv(4096):
            octets += came
        found.append(int(octets.split()[1]))
print(json.dumps(found))
"""


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory that all users may enter."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def asked(directory: Path, uid: int, *groups: int, mode: int | None = None) -> list[int | str]:
    """What a user with these groups gets who reads, and who commands, at a socket with its own mode, or another."""
    path = directory / "socket"
    path.unlink(missing_ok=True)  # that of a server before
    access = AccessControl(Rules(own_uid=USER, own_group=GROUP), TokenFile(directory / "state"))
    application = RestApplication(access=access)
    application.serve("/v1", AccessRole.READ, dict)
    application.obey("/v1/drain", AccessRole.OPERATE, lambda document: document)

    async def story() -> str:
        server = asyncio.ensure_future(HttpServer(application).listen_at_path(path))
        while not path.is_socket() or path.stat().st_mode & 0o777 != 0o660:
            await asyncio.sleep(0.01)
        os.chown(path, USER, GROUP)  # whose this process is not
        if mode is not None:
            path.chmod(mode)
        command = [sys.executable, "-c", _CLIENT, str(path), str(uid), *map(str, groups)]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
        server.cancel()
        await asyncio.gather(server, return_exceptions=True)
        return str(done.stdout)

    found: list[int | str] = json.loads(asyncio.run(story()))
    return found


def test_root_and_its_own_user_operate(directory: Path) -> None:
    assert asked(directory, 0, 0) == [200, 200]
    assert asked(directory, USER, OTHER_GROUP) == [200, 200]


@pytest.mark.parametrize("groups", [(GROUP,), (OTHER_GROUP, GROUP), (OTHER_GROUP, 1, 2, GROUP)])
def test_members_of_its_group_read(directory: Path, groups: tuple[int, ...]) -> None:
    assert asked(directory, STRANGER, *groups) == [200, 403]


def test_others_get_nothing_even_if_the_socket_is_open_to_them(directory: Path) -> None:
    assert asked(directory, STRANGER, OTHER_GROUP) == ["no access", "no access"]
    assert asked(directory, STRANGER, OTHER_GROUP, mode=0o666) == [403, 403]
