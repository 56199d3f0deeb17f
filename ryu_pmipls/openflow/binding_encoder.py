"""The flow-mods of bindings for one switch, at about a microsecond each.

The entries of two bindings of one *shape* differ in the home network prefix and the mobile node's link-layer address
only. So the templates of a shape's entries, with everything else filled in, are kept as one format.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from ryu_pmipls.openflow.cookies import SLICES, cookie, slice_of
from ryu_pmipls.openflow.flow import Entry, Owner
from ryu_pmipls.openflow.template import add_template, delete_template
from ryu_pmipls.routing import Binding

#: The parameters of rules that are named as the attributes of a binding which give their values.
_PREFIX, _ADDRESS = "prefix", "link_layer_address"
_ADDRESS_HOLE = b"%(link_layer_address)b"
#: Shapes that are kept at a time; a port number, say, is whatever a MAG tells.
_SHAPES_KEPT = 4096

_add = cache(add_template)
_delete = cache(delete_template)


@dataclass(eq=False, slots=True)
class RouteUpdate:
    """The binding of a prefix, and the earlier ones that may still have entries in switches.

    It is ``superseded`` when a later update of the prefix takes care of all that.
    """

    binding: Binding
    leftovers: tuple[Binding, ...] = ()
    superseded: bool = False


class _Shape(NamedTuple):
    """Formats; ``keys`` are the OFPFC_DELETE_STRICT of the entries, for what deletes an entry also tells it apart."""

    adds: bytes
    keys: tuple[bytes, ...]


class BindingEncoder:
    """Encodes bindings by what ``entries`` says of them; ``shape`` is all that it looks at besides prefix and address.

    To be made anew when something else has changed that ``entries`` looks at, such as ports.
    """

    def __init__(
        self, entries: Callable[[Binding], Iterable[Entry]], shape: Callable[[Binding], Hashable], generation: int
    ) -> None:
        self._entries = entries
        self._shape = shape
        self._shapes: dict[Hashable, _Shape] = {}
        self._cookies = [cookie(Owner.BINDING, generation, number).to_bytes(8, "big") for number in range(SLICES)]

    def encode(self, updates: Sequence[RouteUpdate], first_xid: int) -> bytes:
        """What makes the switch hold the entries of the bindings, and none that only the leftovers have.

        The messages for one update share a transaction id; the ids are consecutive.
        """
        parts = []
        for xid, update in enumerate(updates, first_xid):
            binding = update.binding
            octets = _octets(binding, xid.to_bytes(4, "big"))
            octets[b"cookie"] = self._cookies[slice_of(binding.prefix)]
            shape = self._shape_of(binding)
            parts.append(shape.adds % octets)
            for leftover in update.leftovers:
                old = self._shape_of(leftover)
                moved = leftover.link_layer_address != binding.link_layer_address
                if moved or old.keys != shape.keys:
                    kept = [key for key in shape.keys if not (moved and _ADDRESS_HOLE in key)]
                    octets = _octets(leftover, octets[b"xid"])
                    parts += [key % octets for key in old.keys if key not in kept]
        return b"".join(parts)

    def _shape_of(self, binding: Binding) -> _Shape:
        key = self._shape(binding)
        shape = self._shapes.get(key)
        if shape is None:
            if len(self._shapes) >= _SHAPES_KEPT:
                self._shapes.clear()
            shape = self._shapes[key] = self._compile(binding)
        return shape

    def _compile(self, binding: Binding) -> _Shape:
        adds, keys = [], []
        for rule, values in self._entries(binding):
            known = {
                parameter.name: value
                for parameter, value in zip(rule.parameters, values, strict=True)
                if parameter.name not in (_PREFIX, _ADDRESS)
            }
            adds.append(_add(rule).bind(**known).octets)
            keys.append(_delete(rule).bind(**known).octets)
        return _Shape(b"".join(adds), tuple(keys))


def _octets(binding: Binding, xid: bytes) -> dict[bytes, bytes]:
    """What goes into the holes of templates."""
    return {
        b"xid": xid,
        b"prefix": binding.prefix,
        b"link_layer_address": binding.link_layer_address or b"",
    }
