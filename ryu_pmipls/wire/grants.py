"""Grants: an anchor's word for the RMS that it has given a prefix to a mobile node at a MAG, carried by that MAG.

An LMA puts a code into its PBA for each prefix, and the MAG passes it on in its Route_adjust. The code is a keyed
BLAKE2b of 16 octets (RFC 7693, section 2.9) over

    home network prefix (8 octets) | MAG (16) | Timestamp of the PBU (8) | identifier of the mobile node

with a key that LMA and RMS share. So a MAG can report neither a prefix that no anchor has given it, nor one for another
node, nor again one that it had earlier: the Timestamp orders the reports. The RMS needs to remember nothing of a grant.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from hmac import compare_digest

#: Octets of a key.
KEY_OCTETS = 32
_CODE_OCTETS = 16


class Granter:
    """Makes and checks the grants of one LMA, with the present ``key`` (16 to 64 octets)."""

    def __init__(self, key: bytes) -> None:
        self.key = key
        self._keyed = blake2b(key=key, digest_size=_CODE_OCTETS)

    def code(self, prefix: bytes, mag: bytes, ticks: int, identifier: bytes) -> bytes:
        """The code for a prefix (its first 8 octets) at a MAG (16 octets), registered at ``ticks`` (1/65536 s)."""
        keyed = self._keyed.copy()
        keyed.update(b"".join((prefix, mag, ticks.to_bytes(8, "big"), identifier)))
        return keyed.digest()


def is_granted(
    code: bytes, granters: Iterable[Granter], prefix: bytes, mag: bytes, ticks: int, identifier: bytes
) -> bool:
    """True when one of the granters has made the code."""
    return any(compare_digest(granter.code(prefix, mag, ticks, identifier), code) for granter in granters)


def derived_key(secret: bytes) -> bytes:
    """The key for grants, of a secret that authenticates the messages of LMA and RMS."""
    return blake2b(key=secret, person=b"pmipls grants", digest_size=KEY_OCTETS).digest()
