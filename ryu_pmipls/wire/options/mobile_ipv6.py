"""Options of Mobile IPv6 that are not for authentication (RFC 6275, RFC 4283, RFC 5094)."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address

from ryu_pmipls.wire.codepoints import IdentifierSubtype
from ryu_pmipls.wire.fields import Ipv6, Number, Octets, Text
from ryu_pmipls.wire.layout import Layout
from ryu_pmipls.wire.options.option import Option, OptionDescription


@dataclass(frozen=True, slots=True)
class AlternateCareOfAddress(Option):
    """The care-of address to be used instead of the source address."""

    address: IPv6Address

    description = OptionDescription(
        number=3,
        title="Alternate Care-of Address",
        source="RFC 6275, section 6.2.5",
        alignment=(8, 6),
        layout=Layout(Ipv6(name="address")),
    )


@dataclass(frozen=True, slots=True)
class MobileNodeIdentifier(Option):
    """Identity of the mobile node; by default a network access identifier such as ``mn1@example.net``."""

    identifier: bytes
    subtype: int = IdentifierSubtype.NAI

    description = OptionDescription(
        number=8,
        title="Mobile Node Identifier",
        source="RFC 4283, section 3",
        layout=Layout(Number(name="subtype", octets=1, values=IdentifierSubtype), Text(name="identifier")),
    )


@dataclass(frozen=True, slots=True)
class VendorSpecific(Option):
    """An option of a vendor (its enterprise number) that is not one of ours, or not known."""

    vendor: int
    subtype: int
    data: bytes

    description = OptionDescription(
        number=19,
        title="Vendor Specific",
        source="RFC 5094, section 3",
        alignment=(4, 2),
        layout=Layout(
            Number(name="vendor", octets=4, text="IANA enterprise number"),
            Number(name="subtype", octets=1, text="chosen by the vendor"),
            Octets(name="data"),
        ),
    )
