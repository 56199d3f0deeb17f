"""The rules that drop clear signalling: what nft(8) lists is compared with them."""

from __future__ import annotations

import pytest

from ryu_pmipls.domain.profile import load_profile
from ryu_pmipls.ipsec.clear_filter import Esp, dropped, esp_of, rules
from ryu_pmipls.ipsec.pairs import associations

NODE = associations(load_profile("two-lma"), "mag1")


def listing(esp: Esp, packets: int = 0) -> str:
    """The table as ``nft -n list table`` prints it."""
    return rules(NODE, esp).replace("counter drop", f"counter packets {packets} bytes {packets * 64} drop")


@pytest.mark.parametrize("esp", Esp)
def test_the_rules_that_were_installed_are_recognised(esp: Esp) -> None:
    assert esp_of(listing(esp, 3), NODE) is esp


@pytest.mark.parametrize("esp", Esp)
def test_no_rule_may_be_missing(esp: Esp) -> None:
    lines = listing(esp).splitlines()
    needed = [number for number, line in enumerate(lines) if "counter" in line or "hook" in line]
    assert len(needed) == (8 if esp is Esp.USER else 6)
    for number in needed:
        assert esp_of("\n".join(lines[:number] + lines[number + 1 :]), NODE) is None


def test_rules_for_another_node_or_none_are_not_taken_for_ours() -> None:
    assert esp_of("", NODE) is None
    assert esp_of(listing(Esp.USER), associations(load_profile("two-lma"), "mag2")) is None


def test_dropped_packets_are_counted_by_direction() -> None:
    assert dropped(listing(Esp.USER, 2)) == {"received": 8, "sent": 4}
    assert dropped(listing(Esp.KERNEL, 2)) == {"received": 4, "sent": 4}
    assert dropped("") == {"received": 0, "sent": 0}


def test_what_is_in_the_clear_is_dropped_in_both_directions_and_nothing_else() -> None:
    text = rules(NODE, Esp.USER)
    assert f'ip6 daddr {NODE.own.address} meta l4proto 135 iifname != "ipsec*" counter drop' in text
    assert f'ip6 daddr {NODE.own.address} udp dport 5436 iifname != "ipsec*" counter drop' in text
    assert f'ip6 saddr {NODE.own.address} meta l4proto 135 oifname != "ipsec*" counter drop' in text
    assert f'ip6 saddr {NODE.own.address} udp sport 5436 oifname != "ipsec*" counter drop' in text
    assert text.count("policy accept") == 2
