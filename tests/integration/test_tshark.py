"""tshark and we agree on every Mobility Header that we build: on its header, and on all fields that tshark knows.

It does not verify the checksum of a Mobility Header (``tests/unit/wire/test_scapy.py`` does). One run shows it all
messages.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tshark_helpers import Shown, number, over_ipv6, tshark

from ryu_pmipls import wire
from ryu_pmipls.wire.fields import Field, Flags
from tests.unit.wire.wire_samples import EVERYTHING

#: attribute -> tshark's field; for flags by letter; ``None``: not known to tshark, or not shown as what it is.
Names = dict[str, "str | dict[str, str | None] | None"]
MESSAGES: dict[type[wire.Message], Names] = {
    wire.BindingUpdate: {
        "sequence": "mip6.bu.seqnr",
        "flags": {
            **{letter: f"mip6.bu.{letter.lower()}_flag" for letter in "AHLKMPFTB"},
            "R": "mip6.nemo.bu.r_flag",
            "S": None,
            "D": None,
        },
        "lifetime": "mip6.bu.lifetime",
    },
    wire.BindingAcknowledgement: {
        "status": "mip6.ba.status",
        "flags": {
            **{letter: f"mip6.ba.{letter.lower()}_flag" for letter in "KPTB"},
            "R": "mip6.nemo.ba.r_flag",
            "S": None,
            "D": None,
        },
        "sequence": "mip6.ba.seqnr",
        "lifetime": "mip6.ba.lifetime",
    },
    wire.BindingError: {"status": "mip6.be.status", "home_address": "mip6.be.haddr"},
    wire.Heartbeat: {"flags": {"U": "mip6.hb.u_flag", "R": "mip6.hb.r_flag"}, "sequence": "mip6.hb.seqnr"},
    wire.BindingRevocationIndication: {
        "trigger": "mip6.bri_r.trigger",
        "sequence": "mip6.bri_seqnr",
        "flags": {"P": "mip6.bri_ip", "V": "mip6.bri_iv", "G": "mip6.bri_ig"},
    },
    wire.BindingRevocationAcknowledgement: {
        "status": "mip6.bri_status",
        "sequence": "mip6.bri_seqnr",
        "flags": {"P": "mip6.bri_ap", "V": "mip6.bri_av", "G": "mip6.bri_ag"},
    },
}
#: Of these it shows octets: Update Notification (19 and 20) and the draft's.
OCTETS_ONLY = {*wire.MESSAGES} - {*MESSAGES}

OPTIONS: dict[type[wire.Option], tuple[str, Names]] = {
    wire.AlternateCareOfAddress: ("acoa", {"address": "mip6.acoa.acoa"}),
    wire.MobileNodeIdentifier: ("mnid", {"subtype": "mip6.mnid.subtype", "identifier": "mip6.mnid.identifier"}),
    wire.ReplayProtection: ("mseg_id", {"timestamp": "mip6.mseg_id.timestamp"}),
    # Of the authenticator it shows two octets too few.
    wire.Authentication: (
        "auth",
        {"subtype": "mip6.auth.subtype", "spi": "mip6.auth.mobility_spi", "authenticator": None},
    ),
    # Of the data it shows seven octets too few.
    wire.VendorSpecific: ("vsm", {"vendor": "mip6.vsm.vendorId", "subtype": "mip6.vsm.subtype", "data": None}),
    wire.HomeNetworkPrefix: ("hnp", {"length": "mip6.nemo.mnp.pfl", "prefix": "mip6.nemo.mnp.mnp"}),
    wire.HandoffIndicator: ("hi", {"value": "mip6.hi"}),
    wire.AccessTechnologyType: ("att", {"value": "mip6.att"}),
    wire.MobileNodeLinkLayerIdentifier: ("mnlli", {"identifier": "mip6.mnlli.lli"}),
    wire.LinkLocalAddress: ("lla", {"address": "mip6.lila_lla"}),
    wire.Timestamp: ("ts", {"ticks": "mip6.timestamp_tmp"}),
    wire.RestartCounter: ("rc", {"counter": "mip6.rc"}),
    wire.GreKey: ("grek", {"key": "mip6.gre_key"}),
    wire.Ipv4HomeAddressRequest: ("ipv4hareq", {"prefix_length": "mip6.ipv4ha.preflen", "address": "mip6.ipv4ha.ha"}),
    wire.Ipv4HomeAddressReply: (
        "ipv4harep",
        {"status": "mip6.ipv4aa.sts", "prefix_length": "mip6.ipv4ha.preflen", "address": "mip6.ipv4ha.ha"},
    ),
    wire.Ipv4DefaultRouterAddress: ("ipv4dra", {"address": "mip6.ipv4dra.dra"}),
    wire.Ipv4DhcpSupportMode: ("ipv4dsm", {"flags": {"S": "mip6.ipv4dsm.s_flag"}}),
    wire.RedirectCapability: ("recap", {}),
    wire.Redirect: ("redir", {"flags": {"K": "mip6.redir.k", "N": "mip6.redir.n"}, "address": "mip6.redir.addr_r2lma"}),
    wire.LoadInformation: (
        "load_inf",
        {
            "priority": "mip6.load_inf.priority",
            "sessions": "mip6.load_inf.sessions_in_use",
            "maximum_sessions": "mip6.load_inf.maximum_sessions",
            "used_capacity": "mip6.load_inf.used_capacity",
            "maximum_capacity": "mip6.load_inf.maximum_capacity",
        },
    ),
    wire.AlternateIpv4CareOfAddress: ("alt_ip4", {"address": "mip6.alt_ip4"}),
}


_ENTRIES = [entry for names in (*MESSAGES.values(), *(n for _, n in OPTIONS.values())) for entry in names.values()]
FLAGS = {name for entry in _ENTRIES if isinstance(entry, dict) for name in entry.values() if name is not None}
KNOWN = FLAGS | {entry for entry in _ENTRIES if isinstance(entry, str)}
KNOWN |= {"mip6.redir.addr_r2lma_ipv4", "mip6.redir.addr_r2lma_ipv6"}


@pytest.fixture(scope="module")
def dissected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Shown]]:
    """name of an example -> all fields that tshark finds in it, in order."""
    packets = [over_ipv6(wire.build(*example), *example[1:]) for example in EVERYTHING.values()]
    found = tshark(tmp_path_factory.mktemp("tshark"), packets, "mipv6")
    return dict(zip(EVERYTHING, found, strict=True))


def expected(record: Any, names: Names) -> Iterator[tuple[str, object]]:
    """tshark's field and its value, for the fields of a message or option in the order of the wire."""
    for field in record.description.layout.fields:
        if not isinstance(field, Field):
            continue
        name, value = names[field.name], getattr(record, field.name)
        if isinstance(field, Flags):
            assert isinstance(name, dict)
            flags = sorted(type(value), reverse=True)
            yield from ((known, flag in value) for flag in flags if (known := name[flag.name]) is not None)
        elif isinstance(name, str) and value is not None:
            if isinstance(record, wire.Redirect):
                name += f"_ipv{value.version}"
            yield name, number(value)


def value_of(shown: Shown) -> int | bool:
    """A flag by its text (which depends on tshark's version), all else as one number."""
    return shown.text in ("1", "True") if shown.name in FLAGS else int(shown.value, 16)


@pytest.mark.parametrize("name", EVERYTHING)
def test_tshark_agrees_on_the_header(name: str, dissected: dict[str, list[Shown]]) -> None:
    octets = wire.build(*EVERYTHING[name])
    header = {shown.name: shown.value for shown in dissected[name][:5]}
    assert header == {
        "mip6.proto": octets[0:1].hex(),
        "mip6.hlen": octets[1:2].hex(),
        "mip6.mhtype": octets[2:3].hex(),
        "mip6.reserved": octets[3:4].hex(),
        "mip6.csum": octets[4:6].hex(),
    }
    assert not [shown for shown in dissected[name] if "malformed" in shown.name or "invalid" in shown.name]


@pytest.mark.parametrize("name", [name for name, example in EVERYTHING.items() if type(example[0]) in MESSAGES])
def test_tshark_agrees_on_the_fields(name: str, dissected: dict[str, list[Shown]]) -> None:
    message, *_ = EVERYTHING[name]
    wanted = list(expected(message, MESSAGES[type(message)]))
    for option in message.options:
        if type(option) in OPTIONS:
            wanted += expected(option, OPTIONS[type(option)][1])
        elif not isinstance(option, wire.UnknownOption):  # one of ours
            wanted += [("mip6.vsm.vendorId", 32473), ("mip6.vsm.subtype", option.description.subtype)]
    assert [(shown.name, value_of(shown)) for shown in dissected[name] if shown.name in KNOWN] == wanted


@pytest.mark.parametrize("name", [name for name, example in EVERYTHING.items() if type(example[0]) in MESSAGES])
def test_tshark_agrees_on_the_options_and_where_they_are(name: str, dissected: dict[str, list[Shown]]) -> None:
    """And on the padding: together they fill the message from the end of its fields to its own."""
    message, *_ = EVERYTHING[name]
    octets = wire.build(*EVERYTHING[name])
    known = [option for option in message.options if not isinstance(option, wire.UnknownOption)]
    wanted = [f"mip6.options.{OPTIONS.get(type(option), ('vsm',))[0]}" for option in known]
    shown = [each for each in dissected[name] if each.name.startswith("mip6.options.")]
    assert [each.name for each in shown if not each.name.startswith("mip6.options.pad")] == wanted
    for each in shown:
        assert each.value == octets[each.offset : each.offset + each.octets].hex()
    covered = sum(each.octets for each in shown) + sum(
        2 + len(option.data) for option in message.options if isinstance(option, wire.UnknownOption)
    )
    inner = message.description.inner is not None
    assert covered == len(octets) - 6 - inner - message.description.layout.octets


def test_the_tables_have_every_field() -> None:
    """So that a new message, option or field is not forgotten."""
    assert {*MESSAGES} | OCTETS_ONLY == {*wire.MESSAGES}
    assert {*OPTIONS} == {*wire.OPTIONS.values()}
    for kind, names in {**MESSAGES, **{kind: names for kind, (_, names) in OPTIONS.items()}}.items():
        described = [field for field in kind.description.layout.fields if isinstance(field, Field)]
        assert {field.name for field in described} == {*names}, kind
        for field in described:
            if isinstance(field, Flags):
                letters = names[field.name]
                assert isinstance(letters, dict)
                assert {*letters} == {flag.name for flag in field.values}, kind
