"""The file with the keys of a domain."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from ryu_pmipls.cli import main
from ryu_pmipls.domain.profile import load_profile
from ryu_pmipls.signalling.keys import Key, KeyFile, KeyFileError, generate, load_keys

PROFILE = load_profile("two-lma")
RMS = PROFILE.rms.address
LMA, LMA2 = (lma.address for lma in PROFILE.lmas)
MAG, MAG2 = (mag.address for mag in PROFILE.mags)
SECRET = "0123456789abcdef0123456789abcdef"


def written(tmp_path: Path, *lines: str, mode: int = 0o600) -> Path:
    path = tmp_path / "keys"
    path.write_text("\n".join(lines) + "\n")
    path.chmod(mode)
    return path


def faults(path: Path) -> list[str]:
    with pytest.raises(KeyFileError) as error:
        load_keys(path, PROFILE, MAG)
    assert SECRET not in str(error.value)
    return str(error.value).splitlines()


def test_the_command_makes_a_key_for_every_pair_that_talks(tmp_path: Path) -> None:
    output = CliRunner().invoke(main, ["keys", "--profile", "two-lma"]).output
    path = written(tmp_path, output)
    nodes = (RMS, LMA, LMA2, MAG, MAG2)
    found = {node: load_keys(path, PROFILE, node) for node in nodes}
    for one in nodes:
        assert found[one].keys() == {*nodes} - ({MAG, MAG2} if one in (MAG, MAG2) else {one})
        for other, keys in found[one].items():
            assert found[other][one] == keys
    secrets = [line.split()[3] for line in output.splitlines()]
    assert len({*secrets, *(line.split()[3] for line in generate(PROFILE))}) == 2 * len(secrets)


def test_a_node_needs_its_own_lines_only(tmp_path: Path) -> None:
    lines = [line for line in generate(PROFILE) if "mag1" in line]
    path = written(tmp_path, "# of mag1", "", *lines, mode=0o640)
    assert load_keys(path, PROFILE, MAG).keys() == {RMS, LMA, LMA2}
    missing = ["lma1 and lma2", "lma1 and mag2", "rms and lma1"]
    with pytest.raises(KeyFileError) as error:
        load_keys(path, PROFILE, LMA)
    for pair in missing:
        assert any(
            pair in line or " and ".join(reversed(pair.split(" and "))) in line
            for line in str(error.value).splitlines()
        )


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"mag1 lma9 256 {SECRET}", "no node is called 'lma9'; there are: rms, lma1, lma2, mag1, mag2"),
        (f"mag1 mag1 256 {SECRET}", "mag1 needs no key with itself"),
        (f"mag1 lma1 255 {SECRET}", "the index '255' must be a number from 256 to 4294967295"),
        (f"mag1 lma1 x {SECRET}", "the index 'x' must be a number"),
        (f"mag1 lma1 256 {SECRET[:30]}", "the key must be 32 to 128 hexadecimal digits"),
        ("mag1 lma1 256 secret", "the key must be 32 to 128 hexadecimal digits"),
        (f"mag1 lma1 {SECRET}", "must have four words"),
    ],
)
def test_faults_name_line_and_what_is_allowed(tmp_path: Path, line: str, expected: str) -> None:
    path = written(tmp_path, "# keys", line)
    (fault,) = faults(path)
    assert fault.startswith(f"{path}:2: ") and expected in fault


def test_an_index_names_one_key(tmp_path: Path) -> None:
    (fault,) = faults(written(tmp_path, f"mag1 lma1 256 {SECRET}", f"lma1 mag1 256 {SECRET}"))
    assert ":2: these nodes have a key with the index 256 already" in fault


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    (fault,) = faults(written(tmp_path, *generate(PROFILE), mode=0o644))
    assert "chmod o=" in fault
    (fault,) = faults(tmp_path / "none")
    assert "cannot be read" in fault


def test_a_key_is_not_shown(tmp_path: Path) -> None:
    assert SECRET not in repr(Key(256, bytes.fromhex(SECRET))) and "secret" not in repr(Key(256, b""))


def test_a_changed_file_is_read_again_and_a_faulty_one_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = list(generate(PROFILE))
    path = written(tmp_path, *lines)
    keys = KeyFile(path, PROFILE, MAG)
    before = keys.of(LMA)
    times = iter(range(10, 20))

    def change(*changed: str) -> None:
        written(tmp_path, *changed)
        os.utime(path, ns=(0, next(times)))

    change(*lines, f"mag1 lma1 257 {SECRET}")
    assert list(keys.of(LMA)) == [256, 257]
    change(*lines, "mag1 lma1 257")
    with caplog.at_level(logging.ERROR):
        assert list(keys.of(LMA)) == [256, 257]
        assert list(keys.of(LMA)) == [256, 257]
    assert len(caplog.records) == 1 and "four words" in caplog.text
    change(*[line for line in lines if not {"mag1", "lma1"} <= {*line.split()}], f"mag1 lma1 257 {SECRET}")
    assert list(keys.of(LMA).values()) == [Key(257, bytes.fromhex(SECRET))] != list(before.values())
    path.unlink()
    assert list(keys.of(LMA)) == [257]
