from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_samples import LMA, MAG, OTHER_LMA

from ryu_pmipls.wire import LoadInfo, LoadInfoMerger, LoadInfoPart, MagLoad, Option, Timestamp, split_load_info


def _report(count: int, *options: Option, cpu: float = 0.5) -> LoadInfo:
    mags = tuple(MagLoad(MAG + index, index) for index in range(count))
    return LoadInfo(cpu, 100 * count, mags, options)


@pytest.mark.parametrize(("count", "sizes"), [(0, [0]), (1, [1]), (12, [12]), (13, [12, 1]), (30, [12, 12, 6])])
def test_sizes_of_the_parts(count: int, sizes: list[int]) -> None:
    parts = split_load_info(_report(count))
    assert [len(part.mags) for part in parts] == sizes
    assert all((part.cpu, part.total_packets) == (0.5, 100 * count) for part in parts)


def test_parts_keep_the_other_options() -> None:
    parts = split_load_info(_report(3, Timestamp(8), LoadInfoPart(9, 0, 1)), limit=2)
    assert [part.options for part in parts] == [
        (Timestamp(8), LoadInfoPart(9, 0, 2)),
        (Timestamp(8), LoadInfoPart(9, 1, 2)),
    ]


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 60), st.integers(1, 12), st.randoms())
def test_parts_in_any_order_and_repeated_merge_to_the_whole(count: int, limit: int, random: object) -> None:
    whole = _report(count, LoadInfoPart(3, 0, 1))
    parts = split_load_info(whole, limit)
    shuffled = list(parts)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    merger = LoadInfoMerger()
    for part in shuffled[:-1]:
        assert merger.add(LMA, part) is None
        assert merger.add(LMA, part) is None
    merged = merger.add(LMA, shuffled[-1])
    assert merged is not None
    assert (merged.cpu, merged.total_packets, merged.mags) == (whole.cpu, whole.total_packets, whole.mags)


def test_windows_and_lmas_are_kept_apart() -> None:
    merger = LoadInfoMerger()
    first, second = split_load_info(_report(14, LoadInfoPart(1, 0, 1)))
    assert merger.add(LMA, first) is None
    assert merger.add(OTHER_LMA, second) is None
    assert merger.add(LMA, split_load_info(_report(14, LoadInfoPart(2, 0, 1)))[1]) is None
    assert merger.add(LMA, second) is None


def test_without_part_options_unseen_mags_add_to_the_same_report() -> None:
    merger = LoadInfoMerger()
    first, second = split_load_info(_report(14))
    assert merger.add(LMA, first) == first
    merged = merger.add(LMA, second)
    assert merged is not None
    assert merged.mags == _report(14).mags


def test_without_part_options_a_seen_mag_or_another_load_begins_a_new_report() -> None:
    merger = LoadInfoMerger()
    first, second = split_load_info(_report(14))
    merger.add(LMA, first)
    assert merger.add(LMA, first) == first
    other = LoadInfo(0.6, second.total_packets, second.mags)
    assert merger.add(LMA, other) == other


def test_parts_that_disagree_on_their_count_complete_nothing() -> None:
    merger = LoadInfoMerger()
    assert merger.add(LMA, _report(1, LoadInfoPart(1, 2, 3))) is None
    assert merger.add(LMA, _report(1, LoadInfoPart(1, 0, 2))) is None
