"""The interface of a node's pipeline: all that differs between kinds of node.

A kind of node is one module that implements :class:`NodePipeline`, with its tables and rules as data beside it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import partial
from typing import ClassVar, NamedTuple

from ryu_pmipls.controller.bindings import Binding, BindingTable
from ryu_pmipls.controller.fast.binding_encoder import BindingEncoder
from ryu_pmipls.controller.switches.flow import FlowEntry, Group, Pipeline, Table
from ryu_pmipls.controller.switches.ports import Ports
from ryu_pmipls.domain.profile import Lma, Mag, Profile


class RecoveredState(NamedTuple):
    """The domain's state as flow entries hold it; ``gateway`` is the link-layer address of the core gateway, if any.

    No entry holds the time of the Route_adjust that made it: the bindings have the timestamp 0, so that any message
    takes precedence.
    """

    bindings: Sequence[Binding]
    gateway: bytes | None = None


class NodePipeline(ABC):
    """The desired state of one node's switch, computed from the present state of the domain at each call.

    ``ports`` are the switch's own. An entry whose port is not there (yet) is left out; it is added when the port
    appears.
    """

    #: The tables and rules of this kind of node.
    declared: ClassVar[Pipeline]
    #: The table that sends downlink on, by the destination's home network prefix.
    downlink_table: ClassVar[Table]

    def __init__(self, profile: Profile, node: Mag | Lma, bindings: BindingTable) -> None:
        self.node = node
        self.bindings = bindings
        self._profile = profile

    @abstractmethod
    def base_entries(self, ports: Ports, own: bytes | None) -> Iterable[FlowEntry]:
        """The entries that the node needs before any mobile node.

        ``own`` is the link-layer address of the bridge's own interface, None while unknown.
        """

    @abstractmethod
    def groups(self, ports: Ports) -> Iterable[Group]:
        """The groups, each after those to which it leads."""

    @abstractmethod
    def binding_entries(self, ports: Ports, binding: Binding) -> Iterable[FlowEntry]:
        """The entries of one binding, by its :attr:`shape`."""

    @property
    @abstractmethod
    def shape(self) -> Callable[[Binding], Hashable]:
        """The function that gives all on which a binding's entries depend besides prefix and link-layer address."""

    @abstractmethod
    def prefixes(self) -> Sequence[bytes]:
        """The prefixes (8 octets) of the bindings that have entries here."""

    @abstractmethod
    def prefixes_behind(self, ports: Ports, port: str) -> Sequence[bytes]:
        """The prefixes (8 octets) of the bindings whose entries name a port."""

    @abstractmethod
    def recover(self, ports: Ports, entries: Iterable[FlowEntry]) -> RecoveredState:
        """Recover bindings from entries that an earlier RMS wrote, for one that has lost its own record."""

    def encoder(self, ports: Ports, generation: int) -> BindingEncoder:
        """The encoder of bindings for these ports and a generation of cookies."""
        return BindingEncoder(partial(self.binding_entries, dict(ports)), self.shape, generation)
