"""The keys of a domain: one for each pair of nodes that talk, in a file beside the profile.

A line names the two nodes, in either order, the security parameter index (256 to 2**32 - 1) and the key (16 to 64
octets in hexadecimal digits)::

    lma1 mag1 256 6bd17c...

``pmipls keys`` writes such a file. A node needs only the lines that name it (``grep -w lma1``), so that the profile can
be shared and a stolen file gives away one node. A pair may have several lines: the node accepts all, and sends with the
first. So to change a key, add a line on both nodes, then remove the old one on both; a node reads the file again when
it has changed.
"""

from __future__ import annotations

import logging
import secrets
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from itertools import combinations
from pathlib import Path

from ryu_pmipls.domain.profile import RMS_NAME, Profile, ProfileError
from ryu_pmipls.signalling.roles import Role, Roles

LOG = logging.getLogger(__name__)

#: Smaller security parameter indices are reserved (RFC 4285, section 5.1).
FIRST_SPI = 256
#: Octets of a key: RFC 4285, section 5.1.
_KEY_OCTETS = 16
_ALLOWED_OCTETS = range(16, 65)


class KeyFileError(ProfileError):
    """An unusable key file. The text has one line per fault: file, line, what is allowed; never a key."""


@dataclass(frozen=True)
class Key:
    """A key that two nodes share, and the security parameter index that names it."""

    spi: int
    secret: bytes = field(repr=False)


#: Peer -> keys, by security parameter index; the first is for sending.
Keys = dict[IPv6Address, dict[int, Key]]


class KeyFile:
    """The keys of the node at ``address`` with its peers; ``KeyFileError`` unless there is one for each.

    If a changed file is faulty, the log reports it, and the keys stay as they were.
    """

    def __init__(self, path: Path, profile: Profile, address: IPv6Address) -> None:
        self._path = path
        self._profile = profile
        self._address = address
        self._changed = self._change_time()
        self._keys = load_keys(path, profile, address)

    def of(self, peer: IPv6Address) -> dict[int, Key]:
        """The keys now shared with a peer."""
        changed = self._change_time()
        if changed != self._changed:
            self._changed = changed
            try:
                self._keys = load_keys(self._path, self._profile, self._address)
            except KeyFileError as error:
                LOG.error("signalling: the changed key file is faulty, and the keys stay as they were:\n%s", error)
            else:
                LOG.info("signalling: the keys of %s are in use", self._path)
        return self._keys.get(peer, {})

    def _change_time(self) -> int:
        try:
            return self._path.stat().st_mtime_ns
        except OSError:
            return 0


def load_keys(path: Path, profile: Profile, address: IPv6Address) -> Keys:
    """Read the keys of the node at ``address`` from a file; ``KeyFileError`` lists all its faults."""
    try:
        if path.stat().st_mode & stat.S_IRWXO:
            raise KeyFileError(f"{path}: users other than its owner and group may use it; chmod o= {path}")
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise KeyFileError(f"{path}: cannot be read: {error}") from None
    addresses = _addresses(profile)
    faults: list[str] = []
    keys: Keys = {}
    for number, line in enumerate(lines, start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            pair, key = _parse(words, addresses)
        except ValueError as error:
            faults.append(f"{path}:{number}: {error}")
            continue
        if address not in pair:
            continue
        peer = pair[1] if pair[0] == address else pair[0]
        if keys.setdefault(peer, {}).setdefault(key.spi, key) is not key:
            faults.append(f"{path}:{number}: these nodes have a key with the index {key.spi} already")
    names = {node: name for name, node in addresses.items()}
    if not faults:
        faults = [
            f"{path}: there is no key of {names[address]} and {names[peer]}; 'pmipls keys' makes them"
            for pair in pairs(profile)
            for peer in pair
            if address in pair and peer not in (address, *keys)
        ]
    if faults:
        raise KeyFileError("\n".join(faults))
    return keys


def generate(profile: Profile) -> Iterator[str]:
    """The lines of a file with new keys for all pairs of nodes that talk."""
    names = {address: name for name, address in _addresses(profile).items()}
    for one, other in pairs(profile):
        yield f"{names[one]} {names[other]} {FIRST_SPI} {secrets.token_hex(_KEY_OCTETS)}"


def pairs(profile: Profile) -> Iterator[tuple[IPv6Address, IPv6Address]]:
    """The pairs of nodes that exchange messages."""
    roles = Roles(profile, Role.RMS)
    for one, other in combinations(_addresses(profile).values(), 2):
        if roles.talk(one, other):
            yield one, other


def _addresses(profile: Profile) -> dict[str, IPv6Address]:
    return {RMS_NAME: profile.rms.address} | {node.name: node.address for node in (*profile.lmas, *profile.mags)}


def _parse(words: list[str], addresses: dict[str, IPv6Address]) -> tuple[tuple[IPv6Address, IPv6Address], Key]:
    if len(words) != 4:
        raise ValueError("must have four words: node, node, index from 256 on, key in hexadecimal digits")
    one, other, index, digits = words
    for name in (one, other):
        if name not in addresses:
            raise ValueError(f"no node is called {name!r}; there are: {', '.join(addresses)}")
    if one == other:
        raise ValueError(f"{one} needs no key with itself")
    if not (index.isdecimal() and FIRST_SPI <= int(index) < 2**32):
        raise ValueError(f"the index {index!r} must be a number from {FIRST_SPI} to {2**32 - 1}")
    try:
        secret = bytes.fromhex(digits)
    except ValueError:
        secret = b""
    if len(secret) not in _ALLOWED_OCTETS:
        raise ValueError(f"the key must be {2 * _ALLOWED_OCTETS[0]} to {2 * _ALLOWED_OCTETS[-1]} hexadecimal digits")
    return (addresses[one], addresses[other]), Key(int(index), secret)
