"""What templates write for bindings leaves in a switch just the entries that the rules say."""

from __future__ import annotations

from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st
from openflow_helpers import apply, lma_pipeline, mag_pipeline, messages

from ryu_pmipls.controller.bindings import Binding
from ryu_pmipls.controller.fast.binding_encoder import RouteUpdate
from ryu_pmipls.controller.switches import encoding as encode
from ryu_pmipls.controller.switches.cookies import GENERATION_BITS
from ryu_pmipls.domain.profile import load_profile

PROFILE = load_profile("two-lma")
PORTS = {"core": 1, "t-mag1": 10}  # mag2's tunnel is not there
MAG_PORTS = {"acc1": 1, "acc2": 2}
MAG_ENTRIES = partial(mag_pipeline(PROFILE).binding_entries, MAG_PORTS)
LMA_ENTRIES = partial(lma_pipeline(PROFILE).binding_entries, PORTS)
GENERATIONS = st.integers(0, 2**GENERATION_BITS - 1)
SETTINGS = settings(max_examples=60, deadline=None)

BINDINGS = st.builds(
    Binding,
    prefix=st.integers(0, 2).map(lambda number: b"\x20\x01\x0d\xb8\x01\x00%" + bytes([number])),
    mag=st.sampled_from(["mag1", "mag1", "mag2", None]),
    previous_mag=st.none(),
    identifier=st.none(),
    link_layer_address=st.sampled_from([b"\2%b\0\0\1", b"\2%b\0\0\2", None]),
    port=st.sampled_from([1, 2, 0x25622525, None]),
    anchor=st.sampled_from(["lma1", "lma2", None]),
    timestamp=st.just(1),
)


def mag_encoder(generation):
    return mag_pipeline(PROFILE).encoder(MAG_PORTS, generation)


def lma_encoder(generation):
    return lma_pipeline(PROFILE).encoder(PORTS, generation)


def expected(entries, generation):
    table = {}
    for entry in entries:
        apply(table, encode.octets(encode.add_flow(entry, generation), 0))
    return table


@SETTINGS
@given(st.lists(BINDINGS, max_size=8), GENERATIONS, st.booleans())
def test_a_switch_ends_with_the_entries_of_the_latest_bindings(bindings, generation, at_lma):
    entries = LMA_ENTRIES if at_lma else MAG_ENTRIES
    encoder = lma_encoder(generation) if at_lma else mag_encoder(generation)
    table, latest = {}, {}
    for binding in bindings:
        before = latest.get(binding.prefix)
        apply(table, encoder.encode([RouteUpdate(binding, () if before is None else (before,))], 7))
        latest[binding.prefix] = binding
    assert table == expected((entry for binding in latest.values() for entry in entries(binding)), generation)


@SETTINGS
@given(st.lists(BINDINGS, min_size=1, max_size=6), GENERATIONS)
def test_what_several_superseded_bindings_may_have_left_goes(bindings, generation):
    """Any of the earlier ones may have been written, or not: only the entries of the last one are left."""
    *earlier, last = (binding._replace(prefix=b"\x20\x01\x0d\xb8\0\0\0\1") for binding in bindings)
    encoder = mag_encoder(generation)
    table = {}
    for binding in earlier[::2]:
        apply(table, encoder.encode([RouteUpdate(binding)], 1))
    apply(table, encoder.encode([RouteUpdate(last, tuple(earlier))], 1))
    assert table == expected(MAG_ENTRIES(last), generation)


@SETTINGS
@given(st.lists(BINDINGS, max_size=8), GENERATIONS)
def test_the_messages_of_an_update_share_its_transaction_id(bindings, generation):
    encoder = mag_encoder(generation)
    found = [xid for _, xid, _ in messages(encoder.encode([RouteUpdate(binding) for binding in bindings], 100))]
    wanted = [100 + n for n, binding in enumerate(bindings) for _ in MAG_ENTRIES(binding)]
    assert found == wanted


@SETTINGS
@given(
    st.lists(st.binary(min_size=8, max_size=8), min_size=21, max_size=300),
    st.sampled_from(["mag1", "mag2", None]),
    st.lists(st.sampled_from(["mag1", "mag2", None]), max_size=2),
    st.integers(1, 2**32 - 400),
    GENERATIONS,
)
def test_many_routes_at_once_are_what_they_are_one_by_one(prefixes, mag, old_mags, first_xid, generation):
    route = Binding(bytes(8), mag, None, None, b"\2%\0\0\0\1", 1, "lma1", 1)
    updates = [
        RouteUpdate(
            route._replace(prefix=prefix), tuple(route._replace(prefix=prefix, mag=old_mag) for old_mag in old_mags)
        )
        for prefix in prefixes
    ]
    encoder = lma_encoder(generation)
    single = [encoder.encode([update], xid) for xid, update in enumerate(updates, first_xid)]
    assert encoder.encode(updates, first_xid) == b"".join(single)


def test_any_number_of_shapes_can_come():
    encoder = mag_encoder(1)
    binding = Binding(bytes(8), "mag1", None, None, b"\2\0\0\0\0\1", 1, "lma1", 1)
    for port in range(1, 10_000):
        octets = encoder.encode([RouteUpdate(binding._replace(port=port))], 1)
    table = {}
    apply(table, octets)
    assert table == expected(MAG_ENTRIES(binding._replace(port=9999)), 1)
