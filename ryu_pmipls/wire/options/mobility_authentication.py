"""Options that authenticate a message (RFC 4285)."""

from __future__ import annotations

from dataclasses import dataclass

from ryu_pmipls.wire.fields import Number, Octets
from ryu_pmipls.wire.layout import Layout
from ryu_pmipls.wire.options.option import Option, OptionDescription


@dataclass(frozen=True, slots=True)
class Authentication(Option):
    """A message authentication code over what precedes it, so it comes last. Sub-type 1: MN-HA."""

    spi: int
    authenticator: bytes
    subtype: int = 1

    description = OptionDescription(
        number=9,
        title="Mobility Message Authentication",
        source="RFC 4285, section 5",
        alignment=(4, 1),
        layout=Layout(
            Number(name="subtype", octets=1, text="1 MN-HA, 2 MN-AAA"),
            Number(name="spi", octets=4, text="security parameter index"),
            Octets(name="authenticator"),
        ),
    )


@dataclass(frozen=True, slots=True)
class ReplayProtection(Option):
    """Sending time of an authenticated message: 1/2**32 s since the start of 1900, modulo 2**64 (the format of NTP)."""

    timestamp: int

    description = OptionDescription(
        number=10,
        title="Mobility Message Replay Protection",
        source="RFC 4285, section 6",
        alignment=(8, 2),
        layout=Layout(Number(name="timestamp", octets=8, text="1/2**32 s since the start of 1900, as in NTP")),
    )
