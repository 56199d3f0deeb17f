from __future__ import annotations

import asyncio

import pytest

from ryu_pmipls.agents import arrivals
from ryu_pmipls.agents.arrivals import Arrivals
from tests.waiting import PATIENCE

NODE, OTHER = bytes.fromhex("020000000101"), bytes.fromhex("020000000102")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals, "_QUESTIONS", (0.0, 0.01))


def test_whoever_answers_and_is_not_known_to_be_there_has_come() -> None:
    asked: list[int] = []
    here = {(OTHER, 1), (NODE, 2)}

    async def story() -> None:
        found = Arrivals(asked.append, lambda node, port: (node, port) in here)
        assert not found.has_come(NODE, 1)  # nobody has been asked
        found.opened(1)
        while asked != [1, 1]:
            await asyncio.sleep(0.01)
        assert found.has_come(NODE, 1)  # it was at port 2 before
        assert not found.has_come(OTHER, 1)
        assert not found.has_come(NODE, 2)
        here.add((NODE, 1))
        assert not found.has_come(NODE, 1)

    asyncio.run(asyncio.wait_for(story(), PATIENCE))


def test_signs_of_life_tell_of_arrivals_for_a_short_time_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals, "_LISTENING", 0.05)

    async def story() -> None:
        found = Arrivals(lambda _port: None, lambda _node, _port: False)
        found.opened(1)
        await asyncio.sleep(0.1)
        assert not found.has_come(NODE, 1)
        found.opened(1)  # it was gone, and is back
        assert found.has_come(NODE, 1)

    asyncio.run(asyncio.wait_for(story(), PATIENCE))
