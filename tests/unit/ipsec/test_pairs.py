"""Who has security associations with whom."""

from __future__ import annotations

import pytest

from ryu_pmipls.domain.profile import load_profile
from ryu_pmipls.ipsec.pairs import associations

PROFILE = load_profile("two-lma")


@pytest.mark.parametrize(
    ("node", "peers"),
    [
        ("rms", {"lma1", "lma2", "mag1", "mag2"}),
        ("lma1", {"rms", "lma2", "mag1", "mag2"}),
        ("mag1", {"rms", "lma1", "lma2"}),
    ],
)
def test_nodes_that_talk_have_associations_and_mags_have_none_with_each_other(node: str, peers: set[str]) -> None:
    found = associations(PROFILE, node)
    assert {peer.name for peer in found.peers} == peers
    assert (found.own.name, found.own.identity, found.port) == (node, f"{node}.two-lma", 5436)


def test_both_ends_of_a_pair_know_each_other_by_the_same_identity_and_address() -> None:
    for one in ("rms", "lma1", "lma2", "mag1", "mag2"):
        for peer in associations(PROFILE, one).peers:
            assert associations(PROFILE, peer.name).peer(one) == associations(PROFILE, one).own


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(KeyError, match="no node is called 'mag9'; there are: rms, lma1, lma2, mag1, mag2"):
        associations(PROFILE, "mag9")
