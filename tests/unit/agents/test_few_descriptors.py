"""The agents' HTTP server when there are no more descriptors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.waiting import PATIENCE

ROOT = Path(__file__).resolve().parents[3]
#: Serves at a path with 40 descriptors: connects as often as it can, lets go, and asks.
PROGRAM = """
import asyncio, resource, sys
from pathlib import Path
from ryu_pmipls.agents.api_client import request
from ryu_pmipls.http.access.roles import AccessRole
from ryu_pmipls.http.application import RestApplication
from ryu_pmipls.http.server import HttpServer

resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
path = Path(sys.argv[1])
rest = RestApplication()
rest.serve("/v1", AccessRole.READ, dict)

async def main():
    server = asyncio.ensure_future(HttpServer(rest).listen_at_path(path))
    clients = []
    while True:
        try:
            clients.append(await asyncio.open_unix_connection(path))
        except (FileNotFoundError, ConnectionRefusedError):  # it does not listen yet
            await asyncio.sleep(0.01)
        except OSError:
            break
    await asyncio.sleep(1.5)  # asyncio pauses for a second
    for _, writer in clients:
        writer.close()
    await asyncio.sleep(1.5)
    print(await asyncio.to_thread(request, path, "/v1"))

asyncio.run(main())
"""


def test_accepting_goes_on_when_there_are_some_again(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "control.sock")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False, cwd=ROOT)
    assert done.stdout == "(200, {})\n", done.stderr
    assert "out of system resource" in done.stderr
