"""The domain as graph, tables and picture."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

import pytest

from ryu_pmipls.domain.domain_picture import draw
from ryu_pmipls.domain.profile import Profile, load_profile
from ryu_pmipls.domain.topology import LinkKind, NodeKind, describe, graph


@pytest.fixture(params=["two-lma", "deployment-template"])
def profile(request: pytest.FixtureRequest) -> Profile:
    return load_profile(request.param)


def test_graph_has_every_node_and_link(profile: Profile) -> None:
    domain = graph(profile)
    correspondents = 0 if profile.lab is None else 1
    lmas, mags, nodes = len(profile.lmas), len(profile.mags), len(profile.mobile_nodes)
    assert Counter(kind for _, kind in domain.nodes(data="kind")) == Counter(
        {
            NodeKind.RMS: 1,
            NodeKind.UNDERLAY: 1,
            NodeKind.CORE: 1,
            NodeKind.LMA: lmas,
            NodeKind.MAG: mags,
            NodeKind.MOBILE_NODE: nodes,
            NodeKind.CORRESPONDENT: correspondents,
        }
    )
    assert Counter(kind for *_, kind in domain.edges(data="kind")) == Counter(
        {
            LinkKind.UNDERLAY: lmas + mags + 1,
            LinkKind.CORE: lmas + correspondents,
            LinkKind.ACCESS: nodes,
            LinkKind.TUNNEL: lmas * mags,
            LinkKind.CONTROL: lmas + mags,
        }
    )


def test_mobile_nodes_start_at_the_mags_in_turn() -> None:
    domain = graph(load_profile("two-lma"))
    assert [next(iter(domain[node])) for node in ("mn1", "mn2", "mn3")] == ["mag1", "mag2", "mag1"]


def test_tables_tell_every_node_and_address(profile: Profile) -> None:
    text = " ".join(cell for table in describe(profile) for row in table.rows for cell in row)
    for node in (*profile.lmas, *profile.mags):
        assert node.name in text
        assert str(node.address) in text
    for mobile_node in profile.mobile_nodes:
        assert mobile_node.identifier in text


def test_picture_png(profile: Profile, tmp_path: Path) -> None:
    path = tmp_path / "domain.png"
    draw(profile, path)
    assert path.read_bytes().startswith(b"\x89PNG\r\n")


def test_picture_svg_is_the_same_every_time(profile: Profile, tmp_path: Path) -> None:
    first, second = tmp_path / "1.svg", tmp_path / "2.svg"
    draw(profile, first)
    draw(profile, second)
    assert ElementTree.parse(first).getroot().tag == "{http://www.w3.org/2000/svg}svg"
    assert first.read_bytes() == second.read_bytes()
