"""Flow-mods of bindings for one switch, at about a microsecond each; many routes at a tenth of that.

The entries of two bindings of one *shape* differ only in the home network prefix and the mobile node's link-layer
address. So the encoder keeps the templates of a shape's entries with everything else filled in. A switch then holds
what :func:`~ryu_pmipls.controller.switches.encoding.add_flow` of these entries would write
(``tests/unit/switches/test_binding_encoder.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np

from ryu_pmipls.controller.bindings import Binding
from ryu_pmipls.controller.fast.flow_mod_template import Filler, ManyFiller, add_template, delete_template
from ryu_pmipls.controller.switches.cookies import SLICES, cookie, slice_of
from ryu_pmipls.controller.switches.flow import FlowEntry, Owner

#: Rule parameters whose values are the binding's attributes of the same names.
_PREFIX, _ADDRESS = "prefix", "link_layer_address"
#: The holes to fill for each binding.
_HOLES = ("xid", "cookie", _PREFIX, _ADDRESS)
_WIDTHS = {"xid": 4, "cookie": 8, _PREFIX: 8, _ADDRESS: 6}
_ADDRESS_HOLE = b"%(link_layer_address)b"
#: Number of updates up to which one-by-one encoding is faster; filling all at once has its cost, too.
_FEW = 20
#: Shapes that are kept at a time; a MAG may report any port number, for instance.
_SHAPES_KEPT = 4096

_add = cache(add_template)
_delete = cache(delete_template)


@dataclass(eq=False, slots=True)
class RouteUpdate:
    """The binding of a prefix, and the earlier ones that may still have entries in switches.

    An update is ``superseded`` when a later update of the prefix takes over all that.
    """

    binding: Binding
    leftovers: tuple[Binding, ...] = ()
    superseded: bool = False


class _Shape(NamedTuple):
    """``deletes`` are the OFPFC_DELETE_STRICT of the entries; their ``formats`` also tell entries apart."""

    adds: Filler
    many: ManyFiller
    formats: tuple[bytes, ...]
    deletes: tuple[Filler, ...]


class BindingEncoder:
    """Encodes the entries that ``entries`` gives for a binding; ``shape`` is all its input besides prefix and address.

    A change to anything else that ``entries`` depends on, such as ports, needs a new encoder.
    """

    def __init__(
        self, entries: Callable[[Binding], Iterable[FlowEntry]], shape: Callable[[Binding], Hashable], generation: int
    ) -> None:
        self._entries = entries
        self._shape = shape
        self._shapes: dict[Hashable, _Shape] = {}
        cookies = [cookie(Owner.BINDING, generation, number).to_bytes(8, "big") for number in range(SLICES)]
        self._cookies = [cookies[slice_of(bytes([last]))] for last in range(256)]  # by the last octet of a prefix
        self._cookie_rows = np.frombuffer(b"".join(self._cookies), np.uint8).reshape(-1, _WIDTHS["cookie"])

    def encode(self, updates: Sequence[RouteUpdate], first_xid: int) -> bytes:
        """Encode flow-mods after which the switch holds the bindings' entries, and none that only leftovers have.

        The messages for one update share a transaction id; the ids are consecutive.
        """
        common = None if len(updates) <= _FEW else self._common_shape(updates)
        if common is not None:
            return self._encode_routes(common, updates, first_xid)
        parts: list[bytes] = []
        cookies, shapes, shape_of = self._cookies, self._shapes, self._shape
        for number, update in enumerate(updates, first_xid):
            xid, binding = number.to_bytes(4, "big"), update.binding
            prefix, address = binding.prefix, binding.link_layer_address
            shape = shapes.get(shape_of(binding)) or self._compile(binding)
            parts += shape.adds((xid, cookies[prefix[-1]], prefix, address or b""))
            for leftover in update.leftovers:
                old = shapes.get(shape_of(leftover)) or self._compile(leftover)
                moved = leftover.link_layer_address != address
                if moved or (old is not shape and old.formats != shape.formats):
                    kept = [each for each in shape.formats if not (moved and _ADDRESS_HOLE in each)]
                    for form, delete in zip(old.formats, old.deletes, strict=True):
                        if form not in kept:
                            parts += delete((xid, b"", prefix, leftover.link_layer_address or b""))
        return b"".join(parts)

    def _common_shape(self, updates: Sequence[RouteUpdate]) -> _Shape | None:
        """The shape of all bindings, if it has no link-layer address and replaces all leftovers."""
        shape, *others = self._shapes_of([update.binding for update in updates])
        if others or _ADDRESS in shape.many.holes:
            return None
        olds = self._shapes_of([leftover for update in updates for leftover in update.leftovers])
        return shape if all(old.formats == shape.formats for old in olds) else None

    def _shapes_of(self, bindings: Sequence[Binding]) -> list[_Shape]:
        """The distinct shapes of bindings."""
        keys = [*map(self._shape, bindings)]
        return [self._shapes.get(key) or self._compile(bindings[keys.index(key)]) for key in {*keys}]

    def _encode_routes(self, shape: _Shape, updates: Sequence[RouteUpdate], first_xid: int) -> bytes:
        count = len(updates)
        octets = np.frombuffer(b"".join([update.binding.prefix for update in updates]), np.uint8)
        prefixes = octets.reshape(count, _WIDTHS[_PREFIX])
        xids = np.arange(first_xid, first_xid + count, dtype=">u4").view(np.uint8).reshape(count, _WIDTHS["xid"])
        columns = {"xid": xids, "cookie": self._cookie_rows[prefixes[:, -1]], _PREFIX: prefixes}
        return shape.many(count, columns)

    def _compile(self, binding: Binding) -> _Shape:
        if len(self._shapes) >= _SHAPES_KEPT:
            self._shapes.clear()
        adds, deletes = [], []
        for rule, values in self._entries(binding):
            known = {
                parameter.name: value
                for parameter, value in zip(rule.parameters, values, strict=True)
                if parameter.name not in (_PREFIX, _ADDRESS)
            }
            adds.append(_add(rule).bind(**known).octets)
            deletes.append(_delete(rule).bind(**known).octets)
        fillers = tuple(Filler(each, _HOLES) for each in deletes)
        together = b"".join(adds)
        shape = _Shape(Filler(together, _HOLES), ManyFiller(together, _WIDTHS), tuple(deletes), fillers)
        self._shapes[self._shape(binding)] = shape
        return shape
