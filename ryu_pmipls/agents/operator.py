"""What the operator tells a running LMA agent: one line in, one line out, over a Unix socket that only root may use."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ryu_pmipls.mobility import LocalMobilityAnchor

#: Seconds that either side waits for the other's line.
TIMEOUT = 5.0

Happen = Callable[..., None]


def socket_path(name: str, run_directory: Path | None) -> Path:
    """Where the agent of that name listens."""
    return Path(f"/run/pmipls-{name}.sock") if run_directory is None else run_directory / "operator.sock"


def obey(line: str, machine: LocalMobilityAnchor, happen: Happen) -> str:
    """Do what a line says: ``revoke IDENTIFIER``, ``drain`` or ``undrain``; the answer to it."""
    match line.split():
        case ["revoke", identifier]:
            count = sum(entry.identifier.identifier == identifier.encode() for entry in machine.bindings)
            happen(machine.revoke, identifier.encode())
            return f"ok: {count} sessions of {identifier} are revoked" if count else f"no session of {identifier}"
        case ["drain"]:
            happen(machine.drain)
            return "ok: no new sessions; the MAGs take theirs elsewhere"
        case ["undrain"]:
            happen(machine.undrain)
            return "ok: takes sessions again"
        case _:
            return f"unknown command {line!r}; there are: revoke IDENTIFIER, drain, undrain"


async def listen(path: Path, machine: LocalMobilityAnchor, happen: Happen) -> None:
    """Obey until cancelled."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await asyncio.wait_for(reader.readline(), TIMEOUT)
            writer.write(obey(line.decode(errors="replace").strip(), machine, happen).encode() + b"\n")
            await writer.drain()
        except (OSError, ValueError, asyncio.TimeoutError):
            pass  # who asked has gone, or says nothing
        finally:
            writer.close()

    path.unlink(missing_ok=True)
    server: Any = await asyncio.start_unix_server(serve, path)
    path.chmod(0o600)
    async with server:
        await server.serve_forever()


def ask(path: Path, line: str) -> str:
    """Tell an agent a line; its answer. ``OSError`` when nobody listens there."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(TIMEOUT)
        client.connect(str(path))
        client.sendall(line.encode() + b"\n")
        with client.makefile(encoding="utf-8") as answer:
            return answer.readline().strip()
