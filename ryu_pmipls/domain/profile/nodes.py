"""The nodes of a domain: the RMS, LMAs, MAGs and mobile nodes, and the search for one by its name."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from pydantic import Field

from ryu_pmipls.domain.places import STATE_DIRECTORY
from ryu_pmipls.domain.profile.section import Section
from ryu_pmipls.domain.profile.values import (
    Address,
    AddressWithLength,
    DatapathId,
    DomainName,
    LinkLayerAddress,
    ListenAddress,
    Name,
    PortName,
    Prefix,
    Transport,
)


class ListenEndpoint(Section):
    """Address and port where a server listens."""

    host: ListenAddress
    port: int = Field(ge=1, le=65535)


class OpenFlowEndpoint(ListenEndpoint):
    """Address and port where switches find the RMS; with ``tls`` by TLS only, with the certificates of the domain."""

    tls: bool = False


#: What is allowed without a token and a certificate.
Unauthenticated = Literal["nothing", "read", "operate"]


class RestEndpoint(ListenEndpoint):
    """Address and port where REST is served; ``names`` are those by which clients may ask, besides addresses.

    ``unauthenticated`` is what they may do without a token and a certificate; None: read on loopback, else nothing.
    """

    names: tuple[DomainName, ...] = ()
    unauthenticated: Unauthenticated | None = None

    @property
    def unauthenticated_role(self) -> Unauthenticated:
        """What is allowed without a token and a certificate."""
        if is_beyond_loopback(self.host):
            return "nothing"
        return "read" if self.unauthenticated is None else self.unauthenticated


def is_beyond_loopback(host: str) -> bool:
    """True when a server that listens at this address can be reached from other hosts; there REST needs TLS."""
    try:
        return not ip_address(host.partition("%")[0]).is_loopback
    except ValueError:  # a name, which only options of ryu-manager may have
        return host != "localhost"


#: Name of the RMS, which has none in the profile, beside those of the other nodes.
RMS_NAME = "rms"
#: Default address and port of the RMS's REST interface.
REST_DEFAULT = RestEndpoint(host="127.0.0.1", port=8080)


class Node(Section):
    """A node of the domain that speaks Mobility Headers, at its underlay ``address``."""

    address: Address
    transport: Transport | None = None  # by which it is spoken to; None: signalling.transport


class Rms(Node):
    """The Route Management Server."""

    openflow: OpenFlowEndpoint = OpenFlowEndpoint(host="::", port=6653)
    rest: RestEndpoint = REST_DEFAULT
    state_directory: Path = STATE_DIRECTORY
    store: str = "sqlite"  # or "memory", which keeps nothing over a restart (:mod:`ryu_pmipls.controller.store`)


class Core(Section):
    """An LMA's link to the network in which the correspondent nodes are."""

    port: PortName
    address: AddressWithLength
    gateway: Address


class Api(RestEndpoint):
    """Address and port where an agent serves REST, besides its Unix socket."""

    host: ListenAddress = "127.0.0.1"


class SwitchNode(Node):
    """A host of the domain with an OpenFlow switch: an LMA or a MAG."""

    name: Name
    datapath_id: DatapathId
    api: Api | None = None


class Lma(SwitchNode):
    """A Local Mobility Anchor; ``address`` is its LMAA, ``capacity`` relative to that of the other LMAs."""

    core: Core
    capacity: float = Field(default=1.0, gt=0, allow_inf_nan=False)


class Mag(SwitchNode):
    """A Mobile Access Gateway; ``address`` is its Proxy-CoA."""

    access_ports: tuple[PortName, ...] = Field(min_length=1)


class MobileNode(Section):
    """A mobile node that may use the domain, known by its identifier (NAI) and link-layer address."""

    name: Name
    identifier: str = Field(min_length=1, max_length=200)
    link_layer_address: LinkLayerAddress
    prefix: Prefix | None = None
    anchor: Name | None = None


class Named(Protocol):
    """An object with a name."""

    @property
    def name(self) -> str: ...


NamedT = TypeVar("NamedT", bound=Named)


def named(nodes: Sequence[NamedT], name: str, kind: str) -> NamedT:
    """The node of that name; ``KeyError`` with what it should be and the names there are."""
    for node in nodes:
        if node.name == name:
            return node
    raise KeyError(f"no {kind} is called {name!r}; there are: {names_of(nodes)}")


def names_of(nodes: Sequence[Named]) -> str:
    """The nodes' names, for a person to read."""
    return ", ".join(node.name for node in nodes) or "none"
