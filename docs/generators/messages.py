"""``docs/messages.md``, from the descriptions that parse and build.

python -m docs.generators.messages > docs/messages.md
"""

from __future__ import annotations

from collections.abc import Iterator
from inspect import getdoc

from ryu_pmipls.wire.codepoints import CodePoints
from ryu_pmipls.wire.fields import Flags, Number, Reserved, Tail
from ryu_pmipls.wire.layout import Layout, Repeated
from ryu_pmipls.wire.messages import MESSAGES, Message
from ryu_pmipls.wire.neighbour_discovery import DISCOVERY_OPTIONS, FRAMES
from ryu_pmipls.wire.options import OPTIONS, OWN_OPTIONS
from ryu_pmipls.wire.options.option import Option

_INTRODUCTION = """\
# Messages and options

Generated from the descriptions in `ryu_pmipls/wire` by `python -m docs.generators.messages`; do not edit.

All numbers are unsigned and in network byte order. Offsets are in octets, of a message from the start of the Mobility
Header, of an option from the start of its data, after Type and Length. Reserved octets and bits are sent as zero and
ignored on receipt.

A Mobility Header (IPv6 next header 135; RFC 6275, section 6.1) starts with Payload Proto (59), Header Len (units of 8
octets after the first), MH Type, a reserved octet and the checksum. Mobility options follow the fields shown here, and
Pad1 or PadN fill up to a multiple of 8 octets. On receipt options may come in any order and at any offset, and unknown
ones are ignored.
"""

_DRAFT = """\
These travel in the Mobility Header type for experiments, 11 (RFC 5096), as the draft draws them: Type and Length
directly behind the checksum (errata E1 and E2). The numbers are those of the default profile; a domain may choose
others. MAGs and LMAs send them to one another and to the Route Management Server (RMS; erratum E19), and the RMS to
both. Length does not count Type, Length and the mobility options behind the body.
"""

_OWN = """\
Sub-types of the Vendor Specific option (type 19) under the vendor id of the profile, 32473 unless set otherwise.
Offsets are from the octet after the sub-type.
"""

_DISCOVERY = """\
Whole Ethernet frames with ICMPv6; offsets are from the start of the ICMPv6 header, of which the type, the code and the
checksum take the first four octets. Unknown options are ignored.
"""


def reference() -> str:
    """The text of ``docs/messages.md``."""
    return "\n".join(_paragraphs()).rstrip() + "\n"


def _paragraphs() -> Iterator[str]:
    yield _INTRODUCTION
    yield "## Messages of the standards\n"
    for message in MESSAGES:
        if message.description.code_point is None:
            yield from _message(message)
    yield "## Messages of the draft\n"
    yield _DRAFT
    for message in MESSAGES:
        if message.description.code_point is not None:
            yield from _message(message)
    yield "## Mobility options\n"
    for option in OPTIONS.values():
        yield from _option(option)
    yield "## Our own options\n"
    yield _OWN
    for option in OWN_OPTIONS.values():
        yield from _option(option)
    yield "## Neighbour discovery\n"
    yield _DISCOVERY
    for frame in FRAMES.values():
        yield from _heading(frame, frame.description.title)
        yield f"ICMPv6 type {frame.description.number}; {frame.description.source}.\n"
        yield _table(frame.description.layout, 4)
    for option in DISCOVERY_OPTIONS.values():
        yield from _heading(option, f"{option.description.title} (neighbour discovery option)")
        yield f"Type {option.description.number}; {option.description.source}.\n"
        yield _table(option.description.layout, 0)


def _message(kind: type[Message]) -> Iterator[str]:
    description = kind.description
    yield from _heading(kind, description.title)
    if description.code_point is not None:
        inner = getattr(CodePoints(), description.code_point)
        length = description.layout.lengths_text
        if description.drafted_length is not None:
            length += f" ({description.drafted_length} is accepted when the whole body follows)"
        yield f"Inner type {inner}; Length {length}; {description.source}.\n"
        yield _table(description.layout, 8)
    else:
        inner_type = "" if description.inner is None else f", inner type {description.inner} at offset 6"
        yield f"MH Type {description.number}{inner_type}; {description.source}.\n"
        yield _table(description.layout, 6 if description.inner is None else 7)


def _option(kind: type[Option]) -> Iterator[str]:
    description = kind.description
    yield from _heading(kind, description.title)
    if description.number is None:
        yield f"Sub-type {description.subtype}; {description.source}.\n"
    else:
        alignment = _alignment(description.alignment)
        for length, exception in description.alignment_by_length.items():
            alignment += f" ({_alignment(exception)} when Length is {length})"
        length_text = description.layout.lengths_text
        yield f"Type {description.number}; Length {length_text}; alignment {alignment}; {description.source}.\n"
    yield _table(description.layout, 0)


def _heading(kind: type[object], title: str) -> Iterator[str]:
    yield f"### {title}\n"
    yield f"`{kind.__name__}`: {(getdoc(kind) or '').replace('``', '`')}\n"


def _alignment(alignment: tuple[int, int]) -> str:
    multiple, offset = alignment
    if multiple == 1:
        return "none"
    return f"{multiple}n+{offset}" if offset else f"{multiple}n"


def _table(layout: Layout, offset: int) -> str:
    lines = ["| offset | octets | field | kind | meaning |", "|---|---|---|---|---|"]
    lines += _rows(layout, offset)
    return "\n".join(lines) + "\n"


def _rows(layout: Layout, offset: int) -> Iterator[str]:
    for field in layout.fields:
        if isinstance(field, Reserved):
            yield f"| {offset} | {field.octets} | | reserved | |"
        elif isinstance(field, Repeated):
            yield f"| {offset} | {field.step}n | `{field.name}` | {field.kind} | each: {_record(field)} |"
        elif isinstance(field, Tail):
            octets = " or ".join(map(str, field.allowed)) or "the rest"
            yield f"| {offset} | {octets} | `{field.name}` | {field.kind} | {field.text} |"
        else:
            meaning = field.text
            if isinstance(field, Flags):
                meaning = ", ".join(f"{flag.name} 0x{flag.value:0{2 * field.octets}x}" for flag in field.values)
            elif isinstance(field, Number) and field.values is not None:
                names = ", ".join(f"{member.value} {member.name.lower().replace('_', ' ')}" for member in field.values)
                meaning = "; ".join(filter(None, (meaning, names)))
            yield f"| {offset} | {field.octets} | `{field.name}` | {field.kind} | {meaning} |"
        if not isinstance(field, Tail):
            offset += field.octets


def _record(field: Repeated) -> str:
    parts = [part for part in field.layout.fields if not isinstance(part, Reserved)]
    return ", ".join(f"`{part.name}` ({part.octets} octets, {part.kind}: {part.text})" for part in parts)


if __name__ == "__main__":
    print(reference(), end="")
