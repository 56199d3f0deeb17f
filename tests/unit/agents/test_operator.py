"""The operator's word to a running LMA agent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from ipaddress import IPv6Address, IPv6Network
from pathlib import Path

import pytest

from ryu_pmipls.agents.operator import ask, listen
from ryu_pmipls.mobility import AnchorConfig, LocalMobilityAnchor, PrefixPool

NOW = 1_700_000_000.0


@pytest.fixture
def machine() -> LocalMobilityAnchor:
    pool = PrefixPool(IPv6Network("2001:db8:100::/40"))
    return LocalMobilityAnchor(AnchorConfig(IPv6Address("fd00::11"), IPv6Address("fd00::99"), (), pool))


@pytest.mark.parametrize(
    ("line", "answer", "draining"),
    [
        ("drain", "ok: ", True),
        ("undrain", "ok: ", False),
        ("revoke mn1@example.net", "no session of mn1@example.net", False),
        ("revoke", "unknown command", False),
        ("\N{SNOWMAN}", "unknown command", False),
        ("", "unknown command", False),
    ],
)
def test_each_line_has_its_answer(
    machine: LocalMobilityAnchor, tmp_path: Path, line: str, answer: str, draining: bool
) -> None:
    def happen(event: Callable[..., object], *arguments: object) -> None:
        event(*arguments, NOW)

    path = tmp_path / "operator.sock"

    async def talk() -> str:
        server = asyncio.ensure_future(listen(path, machine, happen))
        while not path.exists():
            await asyncio.sleep(0.01)
        try:
            return await asyncio.to_thread(ask, path, line)
        finally:
            server.cancel()

    assert asyncio.run(talk()).startswith(answer)
    assert machine.draining is draining


def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        ask(tmp_path / "operator.sock", "drain")
