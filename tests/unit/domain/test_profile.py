"""Profiles: the shipped ones are valid, and every kind of fault is reported with file, key path and what is allowed."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv6Address, IPv6Network
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from ryu_pmipls.domain.profile import SHIPPED_PROFILES, Api, LoadSharingSettings, Profile, ProfileError, load_profile

Document = dict[str, Any]


def document() -> Document:
    loaded: Document = yaml.safe_load((SHIPPED_PROFILES / "two-lma.yaml").read_text(encoding="utf-8"))
    return loaded


def faults(tmp_path: Path, content: str) -> list[str]:
    """The faults of a profile; each must name the file and the line, which are taken off."""
    path = tmp_path / "bad.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ProfileError) as error:
        load_profile(path)
    lines = str(error.value).splitlines()
    assert all(re.match(rf"{re.escape(str(path))}:\d+: ", line) for line in lines), lines
    return [line.removeprefix(f"{path}:").partition(": ")[2] for line in lines]


def changed(*path: str | int, to: Any) -> Document:
    whole = document()
    place: Any = whole
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return whole


@pytest.mark.parametrize("path", sorted(SHIPPED_PROFILES.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_profile_is_valid(path: Path) -> None:
    assert load_profile(path.stem) == load_profile(path)


def test_default_profile() -> None:
    profile = load_profile("two-lma")
    assert [lma.name for lma in profile.lmas] == ["lma1", "lma2"]
    assert profile.lma("lma2").address == IPv6Address("fd00:5213::12")
    assert profile.mag("mag1").datapath_id == 0x21
    assert profile.mobile_node("mn3").prefix == IPv6Network("2001:db8:100:3::/64")
    assert profile.mobile_node("mn1").link_layer_address == bytes.fromhex("020000000101")
    assert profile.anchor_of(profile.mobile_node("mn1")).name == "lma1"


@pytest.mark.parametrize(
    ("signalling", "expected", "ipsec"),
    [
        ({}, None, False),
        ({"keys": "/k"}, None, False),
        ({"protection": "none"}, (), False),
        ({"protection": "keys", "keys": "/k"}, ("keys",), False),
        ({"protection": "ipsec", "ipsec_keys": "/i"}, ("ipsec",), True),
        ({"protection": ["ipsec", "keys", "ipsec"], "keys": "/k", "ipsec_keys": "/i"}, ("ipsec", "keys"), True),
    ],
)
def test_protections_of_signalling(signalling: Document, expected: tuple[str, ...] | None, ipsec: bool) -> None:
    found = Profile.model_validate(changed("signalling", to=signalling)).signalling
    assert (found.protection, found.ipsec) == (expected, ipsec)


def test_certificates_will_do_for_ipsec_and_a_lab_makes_them(tmp_path: Path) -> None:
    lab = changed("signalling", to={"protection": "ipsec"})
    assert Profile.model_validate(lab).signalling.ipsec
    hosts = {key: value for key, value in lab.items() if key != "lab"}
    (fault,) = faults(tmp_path, yaml.safe_dump(hosts))
    wanted = "signalling.protection: ipsec needs certificates.folder, or a file of keys in signalling.ipsec_keys"
    assert fault.startswith(wanted)
    assert Profile.model_validate(hosts | {"certificates": {"folder": "/etc/pmipls/pki"}}).signalling.ipsec


def test_first_lma_anchors_whom_no_other_does() -> None:
    whole = document()
    del whole["mobile_nodes"][0]["anchor"]
    profile = Profile.model_validate(whole)
    assert profile.anchor_of(profile.mobile_node("mn1")).name == "lma1"


def test_template_shows_the_defaults_that_are_in_force() -> None:
    text = (SHIPPED_PROFILES / "deployment-template.yaml").read_text(encoding="utf-8")
    uncommented = re.sub(r"(?m)^# ( *[a-z_]+:)", r"\1", text)
    assert len(yaml.safe_load(uncommented)) > len(yaml.safe_load(text))
    whole = Profile.model_validate(yaml.safe_load(uncommented))
    plain = load_profile("deployment-template")
    assert whole.load_sharing.rest_after_move == plain.load_sharing.rest_after_move
    assert (whole.dead_when, whole.agent_silent_after) == (plain.dead_when, plain.agent_silent_after)
    same = {
        "load_sharing": whole.load_sharing.model_copy(update={"cool_down": None}),
        "failure": whole.failure.model_copy(update={"dead_when": None, "agent_silent_after": None}),
    }
    assert whole.model_copy(update=same) == plain


def test_an_agent_serves_rest_only_if_told_and_then_on_loopback() -> None:
    assert {node.api for node in (*load_profile("two-lma").mags, *load_profile("two-lma").lmas)} == {None}
    profile = Profile.model_validate(changed("mags", 0, "api", to={"port": 8081}))
    assert profile.mags[0].api == Api(host="127.0.0.1", port=8081)


def test_a_moved_mag_rests_for_a_window_or_with_balance_for_twelve_unless_told_otherwise() -> None:
    assert LoadSharingSettings(window=120).rest_after_move == 120
    assert LoadSharingSettings(window=120, policy="balance").rest_after_move == 1440
    sharing = LoadSharingSettings(window=120, policy="balance", cool_down=7)
    assert sharing.rest_after_move == sharing.settings.cool_down == 7


def test_signs_of_death_depend_on_who_watches_the_tunnels() -> None:
    assert load_profile("two-lma").dead_when == (("switch", "tunnels"),)
    unwatched = Profile.model_validate(changed("tunnel", "bfd_interval", to=None))
    assert unwatched.dead_when == (("switch", "agent"),)
    assert unwatched.agent_silent_after == 3 * unwatched.load_sharing.report_interval


def test_tunnels_that_nobody_watches_are_no_sign_of_death(tmp_path: Path) -> None:
    document = changed("failure", to={"dead_when": [["switch"], ["tunnels", "agent"]]})
    document["tunnel"]["bfd_interval"] = None
    (fault,) = faults(tmp_path, yaml.safe_dump(document))
    assert fault.startswith("failure.dead_when[1]: nobody watches tunnels") and "allowed: switch, agent" in fault


@pytest.mark.parametrize(
    ("place", "name"), [(("rms", "rest"), "rms.rest"), (("lmas", 1, "api"), "lmas[1] (lma2): api")], ids=["rms", "lma2"]
)
def test_rest_beyond_loopback_needs_certificates_and_tokens(
    tmp_path: Path, place: tuple[str | int, ...], name: str
) -> None:
    for host in ("127.0.0.1", "127.9.9.9", "::1"):
        document = changed(*place, to={"host": host, "port": 8081, "unauthenticated": "operate"})
        del document["lab"]
        Profile.model_validate(document)
    for host in ("::", "0.0.0.0", "2001:db8::1", "192.0.2.1"):
        document = changed(*place, to={"host": host, "port": 8081})
        assert Profile.model_validate(document)  # a lab makes certificates
        del document["lab"]
        (fault,) = faults(tmp_path, yaml.safe_dump(document))
        assert fault.startswith(f"{name}.host: at {host}, beyond loopback, REST needs TLS, and so certificates.folder")
        document["certificates"] = {"folder": "/etc/pmipls/pki"}
        assert Profile.model_validate(document)
        document = changed(*place, to={"host": host, "port": 8081, "unauthenticated": "read"})
        document["certificates"] = {"folder": "/etc/pmipls/pki"}
        (fault,) = faults(tmp_path, yaml.safe_dump(document))
        assert fault.startswith(
            f"{name}.unauthenticated: read is for loopback only, not for {host}; allowed there: nothing"
        )


def test_tls_needs_the_folder_of_certificates_outside_of_labs(tmp_path: Path) -> None:
    document = changed("rms", "openflow", to={"host": "::", "port": 6653, "tls": True})
    assert Profile.model_validate(document).rms.openflow.tls
    del document["lab"]
    (line,) = faults(tmp_path, yaml.safe_dump(document))
    assert line.startswith("rms.openflow.tls: TLS needs certificates.folder, ")
    document["certificates"] = {"folder": "/etc/pmipls/pki"}
    assert Profile.model_validate(document).rms.openflow.tls


def test_profile_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load_profile("two-lma").domain = "other"


@pytest.mark.parametrize("find", [Profile.lma, Profile.mag, Profile.mobile_node])
def test_unknown_name_tells_the_names_there_are(find: Callable[[Profile, str], Any]) -> None:
    with pytest.raises(KeyError, match=r"'nobody'; there are: \w+1, \w+2"):
        find(load_profile("two-lma"), "nobody")


@pytest.mark.parametrize(
    ("path", "value", "place", "allowed"),
    [
        (("unknown",), 1, "unknown", "allowed: domain, home_prefix_pool, tunnel, rms, lmas, mags, mobile_nodes"),
        (
            ("lmas", 0, "unknown"),
            1,
            "lmas[0] (lma1): unknown",
            "allowed: address, transport, name, datapath_id, api, core",
        ),
        (("lmas", 1, "core", "x"), 1, "lmas[1] (lma2): core.x", "allowed: port, address, gateway"),
        (("lab", "x"), 1, "lab.x", "allowed: prefix, underlay_prefix_length, lma_cpu, correspondent"),
        (("rms",), 1, "rms", "must be a mapping with the keys address, transport, openflow, rest, state_directory"),
        (
            ("lmas", 0),
            "lma1",
            "lmas[0]",
            "must be a mapping with the keys address, transport, name, datapath_id, api",
        ),
        (("lmas",), [], "lmas", "at least 1 item"),
        (("mags", 0, "access_ports"), [], "mags[0] (mag1): access_ports", "at least 1 item"),
        (("tunnel", "type"), "string", "tunnel.type", "must be 'auto', 'srv6'"),
        (("tunnel", "underlay_mtu"), 1280, "tunnel.underlay_mtu", "greater than or equal to 1348"),
        (("rms", "address"), "192.0.2.1", "rms.address", "valid IPv6 address"),
        (("rms", "address"), 5213, "rms.address", "must be text such as fd00:5213::11"),
        (("rms", "address"), "ff02::1", "rms.address", "must be a unicast IPv6 address that is not link-local"),
        (("rms", "address"), "fd00::1%eth0", "rms.address", "must be a unicast IPv6 address"),
        (("rms", "rest"), {"host": "here", "port": 1}, "rms.rest.host", "must be an IPv6 or IPv4 address"),
        (("rms", "rest"), {"host": "::1", "port": 1, "names": ["a b"]}, "rms.rest.names[0]", "must be a domain name"),
        (("access",), {"dns_servers": ["fe80::53"]}, "access.dns_servers[0]", "that is not link-local"),
        (("access",), {"dns_servers": [f"fd00::{n}" for n in range(1, 10)]}, "access.dns_servers", "at most 8 items"),
        (("access",), {"search_domains": ["-a"]}, "access.search_domains[0]", "must be a domain name"),
        (("access",), {"search_domains": ["a." * 100 + "net"] * 3}, "access.search_domains", "512 are allowed"),
        (("rms", "rest"), {"host": "::1", "port": 0}, "rms.rest.port", "greater than or equal to 1"),
        (("lmas", 0, "name"), "LMA 1", "lmas[0] (LMA 1): name", "'LMA 1' does not match ^[a-z][a-z0-9]{0,9}$"),
        (("lmas", 0, "datapath_id"), 0, "lmas[0] (lma1): datapath_id", "from 1 to 0xffffffffffffffff"),
        (("lmas", 0, "datapath_id"), "11", "lmas[0] (lma1): datapath_id", "16 hexadecimal digits in quotes"),
        (
            ("lmas", 0, "core", "port"),
            "t-mag1",
            "lmas[0] (lma1): core.port",
            "must not be u0 nor begin with t-, br- or icmp-",
        ),
        (
            ("mags", 0, "access_ports", 1),
            "br-pm",
            "mags[0] (mag1): access_ports[1]",
            "must not be u0 nor begin with t-, br- or icmp-",
        ),
        (
            ("mobile_nodes", 0, "link_layer_address"),
            1,
            "mobile_nodes[0] (mn1@example.net): link_layer_address",
            "02:00:00:00:01:01",
        ),
        (
            ("mobile_nodes", 0, "link_layer_address"),
            "01:00:5e:00:00:01",
            "mobile_nodes[0] (mn1@example.net)",
            "is a group address",
        ),
        (
            ("mobile_nodes", 0, "prefix"),
            "2001:db8:100:3::1/64",
            "mobile_nodes[0] (mn1@example.net): prefix",
            "valid IPv6 network",
        ),
        (
            ("mobile_nodes", 0, "prefix"),
            "2001:db8:100:8::/63",
            "mobile_nodes[0] (mn1@example.net): prefix",
            "must be a /64 of",
        ),
        (
            ("mobile_nodes", 0, "prefix"),
            "2001:db9::/64",
            "mobile_nodes[0] (mn1@example.net): prefix",
            "must be a /64 of home_prefix_pool",
        ),
        (("mobile_nodes", 0, "anchor"), "lma9", "mobile_nodes[0] (mn1@example.net): anchor", "allowed: lma1, lma2"),
        (("home_prefix_pool",), "2001:db8:100::/65", "home_prefix_pool", "must be a /64 or shorter"),
        (("home_prefix_pool",), "fd00:5213::/64", "mags[1] (mag2): address", "must not lie in home_prefix_pool"),
        (("load_sharing", "policy"), "best", "load_sharing.policy", "Input should be 'draft', 'balance'"),
        (("load_sharing", "cpu_threshold"), 80, "load_sharing.cpu_threshold", "less than or equal to 1"),
        (("load_sharing", "window"), 0, "load_sharing.window", "greater than 0"),
        (("load_sharing", "report_interval"), 60, "load_sharing.report_interval", "must not be longer than window"),
        (("load_sharing", "hysteresis"), 0.9, "load_sharing.hysteresis", "must be less than cpu_threshold"),
        (("failure",), {"dead_when": []}, "failure.dead_when", "at least 1 item"),
        (("failure",), {"dead_when": [["pulse"]]}, "failure.dead_when[0][0]", "'switch', 'tunnels' or 'agent'"),
        (("failure",), {"missing_echoes_allowed": 0}, "failure.missing_echoes_allowed", "greater than or equal to 1"),
        (("downlink",), {"lma_as": 64512}, "downlink.core_as", "must differ from lma_as"),
        (("downlink",), {"core_as": 0}, "downlink.core_as", "greater than or equal to 1"),
        (("downlink",), {"bfd_interval": 0.001}, "downlink.bfd_interval", "greater than or equal to 0.01"),
        (("signalling",), {"transport": "tcp"}, "signalling.transport", "'raw' or 'udp'"),
        (("mags", 0, "transport"), "tcp", "mags[0] (mag1): transport", "'raw' or 'udp'"),
        (("signalling",), {"keys": "keys"}, "signalling.keys", "must be an absolute path"),
        (("signalling",), {"protection": "esp"}, "signalling.protection", "must be none, keys, ipsec or [ipsec, keys]"),
        (
            ("signalling",),
            {"protection": "keys"},
            "signalling.protection",
            "keys need a file; name it in signalling.keys",
        ),
        (
            ("signalling",),
            {"protection": "none", "keys": "/k"},
            "signalling.protection",
            "must be keys while there is a file",
        ),
        (("signalling",), {"protection": ["ipsec"], "ipsec_keys": "k"}, "signalling.ipsec_keys", "an absolute path"),
        (("certificates",), {"folder": "pki"}, "certificates.folder", "must be an absolute path"),
        (("rms", "openflow"), {"host": "::", "port": 6653, "tls": "yes, please"}, "rms.openflow.tls", "valid boolean"),
        (("certificates",), {"key": "/x"}, "certificates.key", "unknown key; allowed: folder"),
        (("lmas", 0, "name"), "rms", "lmas[0] (rms): name", "rms is the name of the RMS; allowed: any other"),
        (("signalling",), {"rate_limit": 0}, "signalling.rate_limit", "greater than or equal to 1"),
        (("signalling",), {"inner_types": {"load_info": 5}}, "signalling.inner_types", "five numbers must differ"),
        (("mags", 0, "api"), {"host": "::1"}, "mags[0] (mag1): api.port", "Field required"),
        (
            ("lmas", 0, "api"),
            {"host": "lma1", "port": 8081},
            "lmas[0] (lma1): api.host",
            "must be an IPv6 or IPv4 address",
        ),
        (("access",), {"probes": 11}, "access.probes", "less than or equal to 10"),
        (("access",), {"advertisement_interval": 3}, "access.advertisement_interval", "greater than or equal to 4"),
        (("timers",), {"binding_lifetime": 3}, "timers.binding_lifetime", "greater than or equal to 4"),
        (("lab", "lma_cpu", "lma9"), 0.1, "lab.lma_cpu.lma9", "allowed: lma1, lma2"),
        (("lab", "underlay_prefix_length"), 127, "lmas[0] (lma1): address", "must lie in fd00:5213::98/127"),
        (("lmas", 0, "core", "gateway"), "fd00:c0de::2", "lmas[0] (lma1): core.gateway", "must be fd00:c0de::1"),
    ],
)
def test_fault(tmp_path: Path, path: tuple[str | int, ...], value: Any, place: str, allowed: str) -> None:
    lines = faults(tmp_path, yaml.safe_dump(changed(*path, to=value)))
    assert any(line.startswith(place) and allowed in line for line in lines), lines


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (
            ("failure",),
            {"dead_when": [["pulse"]]},
            "failure.dead_when[0][0]: Input should be 'switch', 'tunnels' or 'agent'",
        ),
        (("failure",), {"dead_when": [[]]}, "failure.dead_when[0]: Tuple should have at least 1 item"),
        (("mags", 0, "access_ports"), ["u0"], "mags[0] (mag1): access_ports[0]: must not be u0"),
        (("lmas",), ["lma1"], "lmas[0]: must be a mapping with the keys"),
    ],
)
def test_a_list_of_faulty_items_is_not_called_too_short(
    tmp_path: Path, path: tuple[str | int, ...], value: Any, told: str
) -> None:
    (line,) = faults(tmp_path, yaml.safe_dump(changed(*path, to=value)))
    assert line.startswith(told)


@pytest.mark.parametrize(
    ("path", "value", "place", "other"),
    [
        (("mags", 1, "name"), "lma1", "mags[1] (lma1): name", "lmas[0].name"),
        (("mobile_nodes", 2, "name"), "mag1", "mobile_nodes[2] (mn3@example.net): name", "mags[0].name"),
        (("lab", "correspondent", "name"), "mn1", "lab.correspondent.name", "mobile_nodes[0].name"),
        (("lmas", 0, "address"), "fd00:5213::99", "lmas[0] (lma1): address", "rms.address"),
        (("lmas", 1, "core", "address"), "fd00:c0de::11/64", "lmas[1] (lma2): core.address", "lmas[0].core.address"),
        (("mags", 0, "datapath_id"), 0x11, "mags[0] (mag1): datapath_id", "lmas[0].datapath_id"),
        (("mags", 0, "access_ports"), ["a", "a"], "mags[0] (mag1): access_ports[1]", "mags[0].access_ports[0]"),
        (
            ("mobile_nodes", 1, "identifier"),
            "mn1@example.net",
            "mobile_nodes[1] (mn1@example.net): identifier",
            "mobile_nodes[0].identifier",
        ),
        (
            ("mobile_nodes", 1, "link_layer_address"),
            "02:00:00:00:01:01",
            "mobile_nodes[1] (mn2@example.net): link_layer_address",
            "mobile_nodes[0].link_layer_address",
        ),
        (
            ("mobile_nodes", 0, "prefix"),
            "2001:db8:100:3::/64",
            "mobile_nodes[2] (mn3@example.net): prefix",
            "mobile_nodes[0].prefix",
        ),
    ],
)
def test_what_must_be_unique(tmp_path: Path, path: tuple[str | int, ...], value: Any, place: str, other: str) -> None:
    lines = faults(tmp_path, yaml.safe_dump(changed(*path, to=value)))
    assert any(line.startswith(f"{place}: must be unique; ") and f"is already {other} (line " in line for line in lines)


@pytest.mark.parametrize("key", ["domain", "home_prefix_pool", "rms", "lmas", "mags"])
def test_missing_key(tmp_path: Path, key: str) -> None:
    whole = document()
    del whole[key]
    assert f"{key}: Field required" in faults(tmp_path, yaml.safe_dump(whole))


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    whole = changed("tunnel", "type", to="string")
    whole["lmas"][0]["datapath_id"] = 0
    whole["unknown"] = 1
    lines = faults(tmp_path, yaml.safe_dump(whole, sort_keys=False))
    places = ["tunnel.type", "lmas[0] (lma1): datapath_id", "unknown"]
    assert all(line.startswith(f"{place}: ") for line, place in zip(lines, places, strict=True))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "is empty; it must be a mapping with the keys domain, home_prefix_pool"),
        ("- lma1", "must be a mapping with the keys domain, home_prefix_pool"),
        ("domain: [", "is not YAML: while parsing a flow node"),
        ("domain: 2026-99-99", "'2026-99-99' cannot be read: month must be in 1..12"),
        ("domain: !!python/object:os.system x", "is not YAML: could not determine a constructor"),
    ],
)
def test_not_a_profile_at_all(tmp_path: Path, content: str, told: str) -> None:
    (line,) = faults(tmp_path, content)
    assert line.startswith(told)


FAULTY = """\
domain: Two Lma
home_prefix_pool: 2001:db8:100::/40
rms: {address: fd00:5213::99}
lmas:
  - {name: lma1, address: fd00:5213::11, datapath_id: 0x11, core: &core {port: t-x, address: "fd00:c0de::11/64",
     gateway: "fd00:c0de::1"}}
  - {name: lma2, address: fd00:5213::11, datapath_id: 0, core: *core}
mags:
  - name: mag1
    address: fd00:5213::21
    datapath_id: 0x11
    access_ports: [acc1, u0, acc1]
    access_ports: [acc1, u0, acc1]
mobile_nodes:
  - {name: mn1, identifier: "{mn1}", link_layer_address: 1, anchor: lma1}
  - {name: mn2, identifier: "{mn1}", link_layer_address: "02:00:00:00:01:02", anchor: lma5}
  - name: mn3
    link_layer_address: "02:00:00:00:01:02"
load_sharing: {window: 10, cpu_threshold: x, report_interval: 100}
signalling: {inner_types: {load_info: 5, load_adjust: x}}
lab:
  prefix: pm
  lma_cpu: {lma1: 0.15, Lma: 0.15, lma9: 0.15}
  correspondent: {name: cn, address: "fd00:c0de::1/64"}
"""


def test_all_faults_are_told_in_one_go_those_between_fields_too_in_the_order_of_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(FAULTY, encoding="utf-8")
    with pytest.raises(ProfileError) as error:
        load_profile(path)
    port = "must not be u0 nor begin with t-, br- or icmp-"
    expected = [
        "1: domain: 'Two Lma' does not match",
        f"5: lmas[0] (lma1): core.port: {port}",
        "7: lmas[1] (lma2): datapath_id: must be a number from 1 to",
        f"5: lmas[1] (lma2): core.port: {port}",
        "7: lmas[1] (lma2): address: must be unique; fd00:5213::11 is already lmas[0].address (line 5)",
        "5: lmas[1] (lma2): core.address: must be unique; fd00:c0de::11 is already lmas[0].core.address (line 5)",
        "11: mags[0] (mag1): datapath_id: must be unique; 0x11 is already lmas[0].datapath_id (line 5)",
        "13: the key 'access_ports' is given twice, first in line 12",
        f"13: mags[0] (mag1): access_ports[1]: {port}",
        "13: mags[0] (mag1): access_ports[2]: must be unique; acc1 is already mags[0].access_ports[0] (line 13)",
        "15: mobile_nodes[0] ({mn1}): link_layer_address: must be a link-layer address such as",
        "16: mobile_nodes[1] ({mn1}): anchor: no LMA is called 'lma5'; allowed: lma1, lma2",
        "16: mobile_nodes[1] ({mn1}): identifier: must be unique; {mn1} is already mobile_nodes[0].identifier "
        "(line 15)",
        "17: mobile_nodes[2] (mn3): identifier: Field required",
        "18: mobile_nodes[2] (mn3): link_layer_address: must be unique; 02:00:00:00:01:02 is already "
        "mobile_nodes[1].link_layer_address (line 16)",
        "19: load_sharing.cpu_threshold: Input should be a valid number",
        "19: load_sharing.report_interval: must not be longer than window (10)",
        "20: signalling.inner_types.load_adjust: Input should be a valid integer",
        "20: signalling.inner_types.route_adjust: 5 is already load_info; the five numbers must differ",
        "23: lab.lma_cpu.Lma: 'Lma' does not match",
        "23: lab.lma_cpu.lma9: no LMA is called so; allowed: lma1, lma2",
    ]
    told = str(error.value).splitlines()
    for line in expected:
        assert any(text.startswith(f"{path}:{line}") for text in told), (line, told)
    assert len(told) == len(expected), told
    numbers = [int(text.removeprefix(f"{path}:").partition(":")[0]) for text in told]
    assert numbers == sorted(numbers)


def test_a_faulty_value_gets_no_second_message_for_what_refers_to_it(tmp_path: Path) -> None:
    whole = changed("lmas", 1, "name", to="LMA 2")
    whole["mobile_nodes"][0]["anchor"] = "lma2"
    whole["load_sharing"] = {"window": "x", "report_interval": 100}
    whole["tunnel"] = {"bfd_interval": 0}
    whole["failure"] = {"dead_when": [["tunnels"]]}
    lines = faults(tmp_path, yaml.safe_dump(whole, sort_keys=False))
    places = ["tunnel.bfd_interval", "lmas[1] (LMA 2): name", "load_sharing.window"]
    assert [line[: len(place)] for line, place in zip(lines, places, strict=True)] == places


@pytest.mark.parametrize("section", ["rms", "lmas", "mags", "mobile_nodes", "home_prefix_pool", "lab", "tunnel"])
@pytest.mark.parametrize("value", [None, 5, "x", [], [None], [[]], {}, {"x": 1}])
def test_whatever_stands_for_a_section_is_told_and_breaks_nothing(section: str, value: Any, tmp_path: Path) -> None:
    if (section, value) in (("lab", None), ("mobile_nodes", []), ("tunnel", {})):
        return
    lines = faults(tmp_path, yaml.safe_dump(changed(section, to=value)))
    assert any(line.startswith(section) for line in lines)


def test_a_profile_that_was_not_read_from_a_file_has_to_be_consistent_too() -> None:
    with pytest.raises(ValidationError, match=r"mags\.1\.name: must be unique; lma1 is already lmas\.0\.name"):
        Profile.model_validate(changed("mags", 1, "name", to="lma1"))
