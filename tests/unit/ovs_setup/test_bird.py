"""What bird is told. That bird takes it is shown by tests/integration/test_routing_daemon.py and tests/lab."""

from __future__ import annotations

from ipaddress import IPv6Address
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from ovs_setup.bird import configuration, core_configuration, lma_configuration, main
from ryu_pmipls.domain.profile import SHIPPED_PROFILES, Profile, load_profile

PAGE = Path(__file__).resolve().parents[3] / "docs" / "downlink.md"
TEMPLATE = "deployment-template"


def changed(**downlink: float) -> Profile:
    document = yaml.safe_load((SHIPPED_PROFILES / "four-lma.yaml").read_text(encoding="utf-8"))
    return Profile.model_validate(document | {"downlink": downlink})


def router_id(text: str) -> str:
    return text.partition("router id ")[2].partition(";")[0]


def test_both_ends_of_a_session_fit() -> None:
    profile = changed(lma_as=4200000001, core_as=65000)
    gateway = profile.lmas[0].core.gateway
    core = core_configuration(profile, gateway)
    for lma in profile.lmas:
        own = lma_configuration(profile, lma)
        assert f"local {lma.core.address.ip} as 4200000001;" in own
        assert f"neighbor {gateway} as 65000;" in own
        assert f"neighbor {lma.core.address.ip} as 4200000001;" in core
        for text in (own, core):
            assert f"import where net = {profile.home_prefix_pool};" in text
    assert core.count(f"local {gateway} as 65000;") == 1


def test_the_core_finds_a_dead_lma_sooner_than_an_lma_a_dead_core() -> None:
    profile = changed(bfd_interval=0.05, bfd_multiplier=4)
    own = lma_configuration(profile, profile.lmas[0])
    core = core_configuration(profile, profile.lmas[0].core.gateway)
    for text, multiplier in ((own, 4), (core, 50)):
        assert "interval 50 ms;" in text
        assert f"multiplier {multiplier};" in text


@pytest.mark.parametrize(("tunnels", "mtu"), [("gre", 1452), ("srv6", 1436), ("auto", 1436)])
def test_a_core_router_knows_what_a_tunnel_carries(tunnels: str, mtu: int) -> None:
    profile = changed()
    profile = profile.model_copy(update={"tunnel": profile.tunnel.model_copy(update={"type": tunnels})})
    assert f"krt_mtu = {mtu};" in core_configuration(profile, profile.lmas[0].core.gateway)


def test_routers_have_identifiers_of_their_own() -> None:
    profile = changed()
    texts = [lma_configuration(profile, lma) for lma in profile.lmas]
    texts.append(core_configuration(profile, profile.lmas[0].core.gateway))
    assert [router_id(text) for text in texts] == ["0.0.0.1", "0.0.0.2", "0.0.0.3", "0.0.0.4", "0.0.0.5"]


def test_a_core_router_hears_only_the_lmas_whose_gateway_it_is() -> None:
    document = yaml.safe_load((SHIPPED_PROFILES / f"{TEMPLATE}.yaml").read_text(encoding="utf-8"))
    document["lmas"][1]["core"] |= {"address": "2001:db8:c0df::12/64", "gateway": "2001:db8:c0df::1"}
    profile = Profile.model_validate(document)
    one, other = (core_configuration(profile, lma.core.gateway) for lma in profile.lmas)
    assert "2001:db8:c0de::11" in one and "2001:db8:c0df::12" not in one
    assert "2001:db8:c0df::12" in other and "2001:db8:c0de::11" not in other
    assert router_id(one) != router_id(other)


@pytest.mark.parametrize(
    ("whose", "allowed"), [("lma9", "lma1, lma2"), ("2001:db8:c0de::9", "2001:db8:c0de::1"), ("mag1", "lma1, lma2")]
)
def test_who_is_not_in_the_profile_has_no_configuration(whose: str, allowed: str) -> None:
    result = CliRunner().invoke(main, [whose, "--profile", TEMPLATE])
    assert result.exit_code == 2
    assert f"there are: {allowed}\n" in result.output


def test_it_is_printed() -> None:
    for whose in ("lma2", "2001:db8:c0de::1"):
        result = CliRunner().invoke(main, [whose, "--profile", TEMPLATE])
        assert (result.exit_code, result.output) == (0, configuration(load_profile(TEMPLATE), whose))


@pytest.mark.parametrize("whose", ["lma1", "2001:db8:c0de::1"])
def test_the_page_shows_what_is_made_now(whose: str) -> None:
    text = configuration(load_profile(TEMPLATE), whose)
    shown = "".join(f"    {line}\n" if line else "\n" for line in text.splitlines())
    assert shown in PAGE.read_text(encoding="utf-8"), f"from: python -m ovs_setup.bird {whose} --profile {TEMPLATE}"


def test_core_router_is_known_by_its_address_however_written() -> None:
    profile = load_profile(TEMPLATE)
    assert configuration(profile, "2001:DB8:C0DE:0::1") == core_configuration(profile, IPv6Address("2001:db8:c0de::1"))
