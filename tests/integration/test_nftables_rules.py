"""The rules that drop clear signalling, in a real nftables: what it lists is recognised, by all releases of nft(8)."""

from __future__ import annotations

import subprocess

import pytest

from ryu_pmipls.domain.profile import load_profile
from ryu_pmipls.ipsec.clear_filter import TABLE, Esp, dropped, esp_of, rules
from ryu_pmipls.ipsec.pairs import associations

NODE = associations(load_profile("two-lma"), "lma1")


@pytest.mark.parametrize("esp", Esp)
def test_what_nftables_list_is_recognised(esp: Esp) -> None:
    """In a network namespace that goes with the command."""
    script = f'nft "$1" && nft -n list table ip6 {TABLE}'
    argv = ["unshare", "--net", "sh", "-ec", script, "sh", rules(NODE, esp)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    if esp is Esp.KERNEL and "not supported" in done.stderr:
        pytest.skip("the kernel has no IPsec")
    assert done.returncode == 0, done.stderr
    assert esp_of(done.stdout, NODE) is esp
    assert dropped(done.stdout) == {"received": 0, "sent": 0}
