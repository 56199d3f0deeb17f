"""Domain names in options of router advertisements (RFC 8106): what is none is refused, by whomever it is said."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ryu_pmipls.wire.dns_options import Addresses, DnsSearchList, DomainNames

FIELD = DomainNames(name="domains")


@pytest.mark.parametrize(
    ("octets", "names"),
    [
        (b"\7example\3net\0" + bytes(3), ("example.net",)),
        (b"\1a\0\1b\0" + bytes(2), ("a", "b")),
        (b"\6abcdef\0", ("abcdef",)),  # without padding
    ],
)
def test_names_are_labels_and_padding(octets: bytes, names: tuple[str, ...]) -> None:
    assert FIELD.decode(octets) == names
    assert FIELD.encode(names) == octets


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        bytes(8),
        b"\7example",  # no end
        b"\7exampl",  # a label past the end
        b"\300\14" + bytes(6),  # compressed
        b"\100" + b"a" * 64 + bytes(7),  # a label of 64 octets
        (b"\77" + b"a" * 63) * 4 + b"\0" + bytes(7),  # a name of 257 octets
        b"\1a\0\0\1b\0\0",  # a name behind padding
        b"\3a.b\0" + bytes(3),
        b"\2\r\n\0" + bytes(4),
        b"\2\303\244\0" + bytes(4),
    ],
)
def test_what_is_no_list_of_names_is_refused(octets: bytes) -> None:
    with pytest.raises(ValueError, match=r"has|ends"):
        FIELD.decode(octets)


@pytest.mark.parametrize("name", ["", ".", "a..b", "example.net.", "a" * 64, ".".join(["a" * 63] * 4)])
def test_what_is_no_name_is_not_sent(name: str) -> None:
    with pytest.raises(ValueError, match="is no domain name"):
        DnsSearchList.description.layout.build(DnsSearchList(0, (name,)))


def test_a_name_of_255_octets_is_the_longest() -> None:
    longest = ".".join(["a" * 63] * 3 + ["a" * 61])
    assert len(FIELD.encode((longest,))) == 256
    assert FIELD.decode(FIELD.encode((longest,))) == (longest,)


def test_a_list_of_servers_has_one() -> None:
    with pytest.raises(ValueError, match="has no address"):
        Addresses(name="addresses").decode(b"")


@settings(deadline=None)
@given(st.binary(max_size=600))
def test_any_octets_are_names_or_refused(octets: bytes) -> None:
    try:
        names = FIELD.decode(octets)
    except ValueError:
        return
    assert FIELD.decode(FIELD.encode(names)) == names
