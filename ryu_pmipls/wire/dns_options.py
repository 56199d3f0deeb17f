"""Options by which a router tells hosts of name servers and search domains (RFC 8106)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address

from ryu_pmipls.wire.fields import Number, Reserved, Tail
from ryu_pmipls.wire.layout import Layout
from ryu_pmipls.wire.options.option import Option, OptionDescription

#: Octets of the longest label and the longest name (RFC 1035, section 2.3.4).
_LONGEST_LABEL, _LONGEST_NAME = 63, 255
#: Options of neighbour discovery are as long as a multiple of so many octets.
_UNIT = 8


class Addresses(Tail):
    """IPv6 addresses, at least one."""

    kind = "IPv6 addresses"

    @property
    def step(self) -> int:
        return 16

    def decode(self, data: bytes) -> tuple[IPv6Address, ...]:
        if not data:
            raise ValueError("has no address")
        return tuple(IPv6Address(data[start : start + 16]) for start in range(0, len(data), 16))

    def encode(self, value: tuple[IPv6Address, ...]) -> bytes:
        return b"".join(address.packed for address in value)


class DomainNames(Tail):
    """Domain names in full, at least one (RFC 1035, section 3.1), then zeros up to a whole number of eight octets."""

    kind = "domain names"

    @property
    def step(self) -> int:
        return _UNIT

    def decode(self, data: bytes) -> tuple[str, ...]:
        names = tuple(_names(data))
        if not names:
            raise ValueError("has no domain name")
        return names

    def encode(self, value: tuple[str, ...]) -> bytes:
        octets = b"".join(map(_encoded, value))
        return octets + bytes(-len(octets) % _UNIT)


def _names(data: bytes) -> Iterator[str]:
    labels: list[str] = []
    start = begin = 0
    while start < len(data):
        length = data[start]
        if length > _LONGEST_LABEL:
            raise ValueError(f"has a label of {length} octets")
        label = data[start + 1 : start + 1 + length]
        start += 1 + length
        if label:
            if not all(0x20 < octet < 0x7F and octet != ord(".") for octet in label):
                raise ValueError(f"has the label {label!r}")
            labels.append(label.decode("ascii"))
        elif labels:
            if start - begin > _LONGEST_NAME:
                raise ValueError(f"has a domain name of {start - begin} octets")
            yield ".".join(labels)
            labels.clear()
            begin = start
        elif any(data[start:]):
            raise ValueError("has a name behind its padding")
        else:
            return
    if labels or start > len(data):
        raise ValueError("ends within a domain name")


def _encoded(name: str) -> bytes:
    labels = [label.encode("ascii") for label in name.split(".")]
    octets = b"".join(bytes((len(label),)) + label for label in labels) + b"\0"
    if not all(0 < len(label) <= _LONGEST_LABEL for label in labels) or len(octets) > _LONGEST_NAME:
        raise ValueError(f"{name!r} is no domain name")
    return octets


@dataclass(frozen=True, slots=True)
class RecursiveDnsServer(Option):
    """Recursive DNS servers, for ``lifetime`` seconds; 0: no longer."""

    lifetime: int
    addresses: tuple[IPv6Address, ...]

    description = OptionDescription(
        number=25,
        title="Recursive DNS Server",
        source="RFC 8106, section 5.1",
        layout=Layout(
            Reserved(2), Number(name="lifetime", octets=4, text="seconds; 0: no longer"), Addresses(name="addresses")
        ),
    )


@dataclass(frozen=True, slots=True)
class DnsSearchList(Option):
    """Domains in which short names are searched, for ``lifetime`` seconds; 0: no longer."""

    lifetime: int
    domains: tuple[str, ...]

    description = OptionDescription(
        number=31,
        title="DNS Search List",
        source="RFC 8106, section 5.2",
        layout=Layout(
            Reserved(2), Number(name="lifetime", octets=4, text="seconds; 0: no longer"), DomainNames(name="domains")
        ),
    )


@dataclass(frozen=True, slots=True)
class DnsConfiguration:
    """The name servers and search domains that a router advertises."""

    servers: tuple[IPv6Address, ...] = ()
    search_domains: tuple[str, ...] = ()

    def options(self, lifetime: int) -> tuple[Option, ...]:
        """Options with that lifetime in seconds; none for what is not configured."""
        servers = (RecursiveDnsServer(lifetime, self.servers),) if self.servers else ()
        domains = (DnsSearchList(lifetime, self.search_domains),) if self.search_domains else ()
        return (*servers, *domains)
