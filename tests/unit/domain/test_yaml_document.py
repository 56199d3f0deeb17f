"""YAML documents: lines of everything, limits, and the same by libyaml as by the parser in Python."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ryu_pmipls.domain.profile import SHIPPED_PROFILES, ProfileError, load_profile, yaml_document
from ryu_pmipls.domain.profile.yaml_document import LinedList, LinedMapping, YamlError, line_of, parse

SHIPPED = sorted(SHIPPED_PROFILES.rglob("*.yaml"))

TEXT = """\
# a comment
a: 1
b:
  - {name: x, c: [1, 2]}

  - name: y
    c:
      - 3
"""


@pytest.fixture(params=["libyaml", "Python"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "Python":
        monkeypatch.setattr(yaml_document, "_LOADER", yaml.SafeLoader)
    elif not yaml.__with_libyaml__:
        pytest.skip("PyYAML was built without libyaml")
    return str(request.param)


def test_the_line_of_every_place_is_known(parser: str) -> None:
    document, faults = parse(TEXT)
    assert (document, faults) == ({"a": 1, "b": [{"name": "x", "c": [1, 2]}, {"name": "y", "c": [3]}]}, [])
    places = {(): 2, ("a",): 2, ("b",): 3, ("b", 0): 4, ("b", 0, "c", 1): 4, ("b", 1, "name"): 6, ("b", 1, "c", 0): 8}
    assert {place: line_of(document, place) for place in places} == places


def test_what_is_missing_is_looked_for_where_it_should_be(parser: str) -> None:
    document, _ = parse(TEXT)
    assert line_of(document, ("b", 1, "missing")) == 6
    assert line_of(document, ("b", 7, "name")) == 3
    assert line_of(document, ("missing", 0)) == 2


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_files_are_read_as_the_safe_loader_reads_them(path: Path, parser: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert parse(text) == (yaml.safe_load(text), [])


@pytest.mark.parametrize(
    "text",
    [
        "a: [yes, no, ~, null, 0x11, 010, 1_000, 12:30, 1.5, .inf, 2026-01-01, '5', \"x\", !!str 5, !!int '5', , ]",
        "base: &base {x: 1, y: 2}\nitem: {<<: *base, y: 3}\nlist: {<<: [*base, {z: 4}]}\nsame: *base",
        "a: |\n  one\n  two\nb: >\n  one\n  two\n",
        "- &x 1\n- *x\n- [*x, *x]",
        "just text",
        "",
    ],
)
def test_values_are_those_of_the_safe_loader(text: str, parser: str) -> None:
    text = text.replace(", , ]", "]")
    assert parse(text)[0] == yaml.safe_load(text)


def test_keys_are_text_whatever_they_look_like(parser: str) -> None:
    assert parse("{on: 1, 5: 2, 02:00: 3}")[0] == {"on": 1, "5": 2, "02:00": 3}


def test_every_key_that_is_given_twice_is_told(parser: str) -> None:
    document, faults = parse("a: 1\nb: {c: 1, c: 2}\na:\n  - d: 1\n    d: 2\n")
    assert [(fault.line, fault.message) for fault in faults] == [
        (2, "the key 'c' is given twice, first in line 2"),
        (3, "the key 'a' is given twice, first in line 1"),
        (5, "the key 'd' is given twice, first in line 4"),
    ]
    assert isinstance(document, LinedMapping) and isinstance(document["a"], LinedList)


LAUGHS = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (LAUGHS, 6, "aliases stand for more than 1000000 values"),
        ("a: &a [*a]", 1, "the alias *a stands for nothing that is complete before it"),
        ("a: *b", 1, "the alias *b stands for nothing that is complete before it"),
        ("a:\n  " + "[" * 100, 2, "more than 32 levels of mappings and lists"),
        ("a:\n  " + "[" * 100_000, 2, ""),
        ("a: 1\n---\nb: 2", 2, "a second document begins here; one is allowed"),
        ("a: 1\n[b]: 2", 2, "a key must be plain text"),
        ("a: &b x\n*b : 2", 2, "a key must be plain text"),
        ("a: 1\n<<: 5", 2, "<< takes a mapping or a list of mappings"),
        ("a: 1\nb: !set {c: 1}", 2, "the tag !set is not allowed"),
        ("a: 1\nb: 2026-99-99", 2, "'2026-99-99' cannot be read: month must be in 1..12"),
        (f"a: {'9' * 5000}", 1, f"'{'9' * 60}...' cannot be read: Exceeds the limit"),
        ("a:\n\tb: 1", 2, "is not YAML: a tab indents this line; only spaces may"),
        ("a:\n  b: 1\n\tc: 1", 3, "is not YAML: a tab indents this line; only spaces may"),
        ("a: 1\nb: \x07", 2, "is not YAML: the control character '\\x07' is not allowed"),
        ("a: 1\nb: [", 2, "is not YAML: "),
        ("a: !!python/object:os.system x", 1, "is not YAML: could not determine a constructor for the tag"),
    ],
    ids=range(17),
)
def test_what_is_no_document_or_beyond_the_limits_is_told_with_its_line(
    text: str, line: int, message: str, parser: str
) -> None:
    with pytest.raises(YamlError) as error:
        parse(text)
    assert error.value.fault.message.startswith(message) and "\n" not in str(error.value)
    assert abs(error.value.fault.line - line) <= (1 if message == "is not YAML: " else 0)


@pytest.mark.parametrize(
    ("octets", "told"),
    [
        (b"", r":1: is empty; it must be a mapping with the keys domain, "),
        (b"# only a comment\n", r":1: is empty; it must be"),
        (b"domain: a\nrms: \xff\xfe", r":2: is not text in UTF-8: octet 0xff$"),
        ("domain: a\n".encode("utf-16"), r":1: is not text in UTF-8: octet 0xff$"),
        (b"\x7fELF\x02\x01\x01\x00", r":1: is not YAML: the control character '\\x\w\w' is not allowed$"),
    ],
)
def test_a_file_that_is_no_profile_is_one_message(octets: bytes, told: str, tmp_path: Path, parser: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_bytes(octets)
    with pytest.raises(ProfileError, match=f"^{path}{told}") as error:
        load_profile(path)
    assert "\n" not in str(error.value)


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + (SHIPPED_PROFILES / "two-lma.yaml").read_bytes())
    assert load_profile(path) == load_profile("two-lma")


def test_a_file_that_never_ends_is_not_read_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ryu_pmipls.domain.profile.loading._LARGEST", 2**21)
    with pytest.raises(ProfileError, match=r"^/dev/zero: is larger than 2 MiB$"):
        load_profile("/dev/zero")
