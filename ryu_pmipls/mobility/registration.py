"""Decoding of a Proxy Binding Update at the LMA, and its acknowledgement (RFC 5213, section 5.3)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import IPv6Address, IPv6Network

from ryu_pmipls.wire import (
    AccessTechnologyType,
    AlternateCareOfAddress,
    BindingAcknowledgement,
    BindingUpdate,
    Grant,
    HandoffIndicator,
    HomeNetworkPrefix,
    LinkLocalAddress,
    MobileNodeIdentifier,
    MobileNodeLinkLayerIdentifier,
    Option,
    Timestamp,
)
from ryu_pmipls.wire.codepoints import BindingStatus, HandoffType
from ryu_pmipls.wire.grants import Granter

UNSPECIFIED = IPv6Address("::")
LIFETIME_UNIT = 4  # seconds


def network(option: HomeNetworkPrefix) -> IPv6Network:
    """The prefix of an option; bits beyond its length do not count (RFC 5213, section 8.3)."""
    return IPv6Network((option.prefix, min(option.length, 128)), strict=False)


@dataclass(frozen=True)
class Registration:
    """The request in a PBU. A missing option has the value that the acknowledgement must give it (0, or empty).

    ``prefixes`` are those that the PBU names, with ``::`` if it ``asks_for_any`` as well; empty if it names none. A
    link-layer identifier of zeros counts as none (RFC 5213, section 5.4.1.2), but the acknowledgement repeats it like
    any other.
    """

    message: BindingUpdate
    source: IPv6Address
    care_of_address: IPv6Address
    identifier: MobileNodeIdentifier
    prefixes: tuple[IPv6Network, ...]
    asks_for_any: bool
    handoff: int
    access_technology: int
    link_layer_identifier: bytes
    timestamp: int | None
    link_local: IPv6Address | None

    @classmethod
    def of(cls, message: BindingUpdate, source: IPv6Address) -> Registration:
        """Decode a PBU; of options that must not be repeated the first counts."""
        care_of = message.option(AlternateCareOfAddress)
        handoff = message.option(HandoffIndicator)
        technology = message.option(AccessTechnologyType)
        link_layer = message.option(MobileNodeLinkLayerIdentifier)
        timestamp = message.option(Timestamp)
        link_local = message.option(LinkLocalAddress)
        options = message.all(HomeNetworkPrefix)
        names = any(option.prefix != UNSPECIFIED for option in options)
        return cls(
            message=message,
            source=source,
            care_of_address=source if care_of is None else care_of.address,
            identifier=message.option(MobileNodeIdentifier) or MobileNodeIdentifier(b""),
            prefixes=tuple(dict.fromkeys(network(option) for option in options)) if names else (),
            asks_for_any=any(option.prefix == UNSPECIFIED for option in options),
            handoff=0 if handoff is None else handoff.value,
            access_technology=0 if technology is None else technology.value,
            link_layer_identifier=b""
            if link_layer is None or not any(link_layer.identifier)
            else link_layer.identifier,
            timestamp=None if timestamp is None else timestamp.ticks,
            link_local=None if link_local is None else link_local.address,
        )

    @property
    def session(self) -> tuple[MobileNodeIdentifier, int, bytes]:
        """The key that distinguishes the interfaces of the mobile node."""
        return self.identifier, self.access_technology, self.link_layer_identifier

    @property
    def unmoved(self) -> bool:
        """True when the MAG says that the node has been on its link all the time: the handoff state has not changed."""
        return self.handoff == HandoffType.RE_REGISTRATION

    def acceptance(
        self,
        prefixes: tuple[IPv6Network, ...],
        lifetime: int,
        link_local: IPv6Address | None,
        granter: Granter | None = None,
    ) -> BindingAcknowledgement:
        """Make the PBA that grants ``prefixes`` for ``lifetime`` (units of 4 s), with the grants of ``granter``."""
        granted = tuple(HomeNetworkPrefix(prefix.network_address, prefix.prefixlen) for prefix in prefixes)
        status, ticks = BindingStatus.ACCEPTED, self.timestamp
        message = self._acknowledgement(status, self.message.sequence, lifetime, granted, ticks, link_local)
        if granter is None or ticks is None:
            return message
        mag, identifier = self.care_of_address.packed, self.identifier.identifier
        codes = (granter.code(prefix.network_address.packed[:8], mag, ticks, identifier) for prefix in prefixes)
        return replace(message, options=(*message.options, *map(Grant, codes)))

    def refusal(self, status: int, sequence: int, timestamp: int | None) -> BindingAcknowledgement:
        """Make the PBA that refuses, with the prefixes and the link-local address of the request."""
        asked = self.message.all(HomeNetworkPrefix) or (HomeNetworkPrefix(UNSPECIFIED, 0),)
        return self._acknowledgement(status, sequence, 0, asked, timestamp, self.link_local)

    def _acknowledgement(
        self,
        status: int,
        sequence: int,
        lifetime: int,
        prefixes: tuple[HomeNetworkPrefix, ...],
        timestamp: int | None,
        link_local: IPv6Address | None,
    ) -> BindingAcknowledgement:
        options: list[Option] = [
            self.identifier,
            *prefixes,
            HandoffIndicator(self.handoff),
            AccessTechnologyType(self.access_technology),
        ]
        if timestamp is not None:
            options.append(Timestamp(timestamp))
        link_layer = self.message.option(MobileNodeLinkLayerIdentifier)
        if link_layer is not None:
            options.append(link_layer)
        if link_local is not None:
            options.append(LinkLocalAddress(link_local))
        return BindingAcknowledgement(status, sequence, lifetime, options=tuple(options))
