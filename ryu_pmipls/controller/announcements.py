"""Route_adjusts that the RMS makes itself of its bindings: for LMAs that have forgotten them, and to end sessions."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Address

from ryu_pmipls.controller.bindings import Binding, BindingTable
from ryu_pmipls.domain.profile import Profile
from ryu_pmipls.signalling import Endpoint
from ryu_pmipls.wire import (
    Attachment,
    MobileNodeIdentifier,
    MobileNodeLinkLayerIdentifier,
    Option,
    RouteAdjust,
    RouteSnapshot,
    Timestamp,
)

_NOWHERE = IPv6Address("::")
#: Octets of the longest identifier that fits into its option (RFC 4283).
_MAX_IDENTIFIER = 254


class Announcements:
    """Makes the octets of Route_adjusts, in canonical form, from ``bindings``."""

    def __init__(self, profile: Profile, bindings: BindingTable, endpoint: Endpoint) -> None:
        self._bindings = bindings
        self._endpoint = endpoint
        self._mags = {mag.name: mag.address for mag in profile.mags}
        self._lmas = {lma.name: lma.address for lma in profile.lmas}
        self._destination = profile.rms.address  # any will do: the octets are sealed for the one that gets them

    def prefixes(self) -> Iterator[bytes]:
        """Yield the prefixes of all bindings, those of detached mobile nodes included; slowly, if the caller is."""
        return self._bindings.each_prefix()

    def route(self, prefix: bytes) -> bytes | None:
        """Announce where a prefix is; None if it is nowhere."""
        binding = self._bindings.get(prefix)
        new = None if binding is None or binding.mag is None else self._mags.get(binding.mag)
        if binding is None or new is None:
            return None
        options = (*_naming(binding), *self._attachment(binding))
        return self._encode(binding, binding.previous_mag, new, binding.timestamp, options)

    def end(self, binding: Binding, ticks: int) -> bytes:
        """Announce that a session has ended, at ``ticks`` (1/65536 s)."""
        return self._encode(binding, binding.mag, _NOWHERE, ticks, _naming(binding))

    def snapshot(self, number: int, complete: bool) -> bytes:
        """Announce that a snapshot of all routes begins, or has ended."""
        options = (RouteSnapshot(number, int(complete)),)
        message = RouteAdjust(_NOWHERE, _NOWHERE, _NOWHERE, options=options)
        return self._endpoint.encode(message, self._destination)

    def _attachment(self, binding: Binding) -> tuple[Option, ...]:
        anchor = None if binding.anchor is None else self._lmas.get(binding.anchor)
        return () if anchor is None else (Attachment(binding.port or 0, anchor),)

    def _encode(
        self, binding: Binding, old: str | None, new: IPv6Address, ticks: int, options: tuple[Option, ...]
    ) -> bytes:
        prefix = IPv6Address(binding.prefix + bytes(8))
        old_mag = _NOWHERE if old is None else self._mags.get(old, _NOWHERE)
        message = RouteAdjust(prefix, old_mag, new, options=(Timestamp(ticks), *options))
        return self._endpoint.encode(message, self._destination)


def _naming(binding: Binding) -> tuple[Option, ...]:
    options: tuple[Option, ...] = ()
    # One that is no UTF-8 was not kept as it came, and may have become too long.
    if binding.identifier is not None and len(identifier := binding.identifier.encode()) <= _MAX_IDENTIFIER:
        options += (MobileNodeIdentifier(identifier),)
    if binding.link_layer_address is not None:
        options += (MobileNodeLinkLayerIdentifier(binding.link_layer_address),)
    return options
