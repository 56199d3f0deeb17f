"""Long lists of agents by pages, and their client, which fetches all of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from ipaddress import IPv6Address
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ryu_pmipls.agents.anchor_api import AnchorControl
from ryu_pmipls.agents.api_client import request
from ryu_pmipls.domain.profile import load_profile
from ryu_pmipls.http.access.roles import AccessRole
from ryu_pmipls.http.application import Page, Pages, RestApplication, RestError
from ryu_pmipls.http.pages import page_of
from ryu_pmipls.http.server import HttpServer
from tests.waiting import PATIENCE

PROFILE = load_profile("two-lma")
MAG = PROFILE.mags[0]
PREFIXES = [IPv6Address(0x20010DB8 << 96 | number << 64) for number in range(1, 8)]


@pytest.fixture
def anchor(tmp_path: Path) -> AnchorControl:
    """An LMA with routes that came in another order than theirs."""
    machine: Any = SimpleNamespace(routes=dict.fromkeys(reversed(PREFIXES), MAG.address), bindings=(), tunnels={})
    driver: Any = SimpleNamespace(machine=machine, counters=Counter())
    nothing: Any = None
    lma = PROFILE.lmas[0]
    return AnchorControl(PROFILE, lma, driver, nothing, nothing, tmp_path, machine, nothing, nothing)


def test_routes_come_in_order_by_pages(anchor: AnchorControl) -> None:
    found: dict[str, str] = {}
    page = anchor.routes(3, None)
    while page.after is not None:
        assert len(page.document) == 3
        found |= page.document
        page = anchor.routes(3, page.after)
    found |= page.document
    assert [*found.items()] == [(f"{prefix}/64", "mag1") for prefix in PREFIXES]


def test_a_page_behind_no_prefix(anchor: AnchorControl) -> None:
    with pytest.raises(RestError, match="'nobody' is no prefix"):
        anchor.routes(3, "nobody")


def test_the_client_fetches_all_pages_of_lists_and_mappings(tmp_path: Path, anchor: AnchorControl) -> None:
    items = [*map(str, range(2500))]
    rest = RestApplication()
    rest.serve("/v1/list", AccessRole.READ, Pages(lambda limit, after: page_of(items, str, str, limit, after)))
    rest.serve("/v1/routes", AccessRole.READ, Pages(lambda limit, after: anchor.routes(2, after)))

    def break_off(limit: int, after: str | None) -> Page:
        if after is not None:
            raise RestError(400, "gone")
        return Page([1], "1")

    rest.serve("/v1/gone", AccessRole.READ, Pages(break_off))
    path = tmp_path / "control.sock"

    async def run() -> list[tuple[int, Any]]:
        server = asyncio.ensure_future(HttpServer(rest).listen_at_path(path))
        while not path.exists():
            await asyncio.sleep(0.005)
        answers = [await asyncio.to_thread(request, path, f"/v1/{name}") for name in ("list", "routes", "gone")]
        server.cancel()
        return answers

    (whole, routes, gone) = asyncio.run(asyncio.wait_for(run(), PATIENCE))
    assert whole == (200, items)
    assert routes == (200, {f"{prefix}/64": "mag1" for prefix in PREFIXES})
    assert gone[0] == 400
