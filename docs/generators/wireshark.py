"""``docs/pmipls.lua``, a Wireshark dissector of the draft's messages, from the descriptions that parse and build.

python -m docs.generators.wireshark > docs/pmipls.lua
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import fields as dataclass_fields

from ryu_pmipls.wire.codepoints import UDP_PORT, CodePoints
from ryu_pmipls.wire.fields import (
    EitherAddress,
    Field,
    Flags,
    Fraction,
    Ipv4,
    Ipv6,
    LinkLayer,
    Number,
    OptionalNumber,
    Reserved,
    Tail,
    Text,
    Time,
)
from ryu_pmipls.wire.layout import Layout, Repeated
from ryu_pmipls.wire.messages import MESSAGES
from ryu_pmipls.wire.options import OPTIONS, OWN_OPTIONS
from ryu_pmipls.wire.options.mobile_ipv6 import VendorSpecific
from ryu_pmipls.wire.options.option import PAD_1, PAD_N
from ryu_pmipls.wire.structure import HEADER

_HEAD = """\
-- Wireshark dissector of the messages of draft-zhou-netlmm-pmipv6-load-sharing-00, as ryu_pmipls sends them.
-- Generated from the descriptions in ryu_pmipls/wire by `python -m docs.generators.wireshark`; do not edit.
--
-- tshark -X lua_script:pmipls.lua -r FILE, or copy it to the folder of personal Lua plugins (Help, About, Folders).
--
-- It takes the place of Wireshark's own dissector of Mobility Headers, lets that do its work first, and then adds what
-- it does not know: the draft's messages and their options. The numbers can be changed in the preferences.

local pmipls = Proto("pmipls", "Proxy Mobile IPv6 load sharing")
"""

_LENGTHS = """\
-- The lengths that a message or an option can have: those listed, or from one on in steps.
local function exactly(...)
  local lengths = {}
  for _, length in ipairs({ ... }) do
    lengths[length] = true
  end
  return lengths
end

local function every(first, step)
  local lengths = {}
  for length = first, 255, step do
    lengths[length] = true
  end
  return lengths
end
"""

_ENGINE = """\
local malformed = ProtoExpert.new("pmipls.malformed", "Malformed", expert.group.MALFORMED, expert.severity.ERROR)
pmipls.experts = { malformed }

-- Adds the fields of a layout in a range of octets whose length fits.
local function add_fields(layout, range, tree)
  local offset = 0
  for _, field in ipairs(layout) do
    local octets = field.octets or range:len() - offset
    if octets > 0 and field.name then
      local part = range(offset, octets)
      if field.records then
        for start = 0, octets - field.step, field.step do
          local record = part(start, field.step)
          add_fields(field.records, record, tree:add(record, field.name))
        end
      elseif field.time then
        local seconds, fraction = part(0, 6):uint64():tonumber(), part(6, 2):uint()
        tree:add(field.time, part, NSTime.new(seconds, math.floor(fraction * 1000000000 / 65536)))
      elseif field.by_length then
        tree:add(field.by_length[octets], part)
      else
        local item = tree:add(field.field, part)
        for _, flag in ipairs(field.flags or {}) do
          item:add(flag, part)
        end
      end
    end
    offset = offset + octets
  end
end

-- Adds the fields of a message or an option if its length is one that it can have.
local function add_body(description, range, tree)
  local length = range and range:len() or 0
  if not description.lengths[length] then
    tree:add_proto_expert_info(malformed, description.title .. " cannot have " .. length .. " octets")
  elseif range then
    add_fields(description.layout, range, tree)
  end
end

local function add_option(number, range, data, tree)
  local description = options[number]
  if number == vendor_specific and data and data:len() >= vendor_octets then
    if data(0, vendor_id_octets):uint() == pmipls.prefs.vendor_id then
      local own = own_options[data(vendor_id_octets, vendor_octets - vendor_id_octets):uint()]
      if own then
        local item = tree:add(range, own.title)
        add_fields(description.layout, data(0, vendor_octets), item)
        add_body(own, data:len() > vendor_octets and data(vendor_octets) or nil, item)
        return
      end
    end
  end
  if description then
    add_body(description, data, tree:add(range, description.title))
  else
    local item = tree:add(range, "Option of type " .. number)
    if data then
      item:add(option_data, data)
    end
  end
end

local function add_options(buffer, offset, stop, tree)
  while offset < stop do
    local number = buffer(offset, 1):uint()
    if number == pad_1 then
      offset = offset + 1
    else
      if offset + 2 > stop or offset + 2 + buffer(offset + 1, 1):uint() > stop then
        tree:add_proto_expert_info(malformed, "option " .. number .. " runs past the end")
        return
      end
      local length = buffer(offset + 1, 1):uint()
      if number ~= pad_n then
        add_option(number, buffer(offset, 2 + length), length > 0 and buffer(offset + 2, length) or nil, tree)
      end
      offset = offset + 2 + length
    end
  end
end

local function add_message(buffer, pinfo, tree)
  local inner, length = buffer(header_octets, 1):uint(), buffer(header_octets + 1, 1):uint()
  local stop = math.min(buffer:len(), 8 * buffer(1, 1):uint() + 8)
  local start = header_octets + 2
  local message
  for name, description in pairs(messages) do
    if pmipls.prefs[name] == inner then
      message = description
    end
  end
  local item = tree:add(pmipls, buffer(header_octets, stop - header_octets))
  item:add(inner_type, buffer(header_octets, 1))
  item:add(inner_length, buffer(header_octets + 1, 1))
  if not message then
    item:add_proto_expert_info(malformed, "inner type " .. inner .. " is not known")
    return
  end
  item:append_text(", " .. message.title)
  pinfo.cols.info = message.title
  if length == message.drafted_length and start + message.octets <= stop then
    length = message.octets
  end
  if start + length > stop then
    item:add_proto_expert_info(malformed, message.title .. " has a Length that runs past the end")
    return
  end
  add_body(message, length > 0 and buffer(start, length) or nil, item)
  add_options(buffer, start + length, stop, item)
end

local protocols = DissectorTable.get("ip.proto")
local mobility_headers = protocols:get_dissector(135)

function pmipls.dissector(buffer, pinfo, tree)
  mobility_headers:call(buffer, pinfo, tree)
  if buffer:len() >= 8 and buffer(2, 1):uint() == pmipls.prefs.mobility_header_type then
    add_message(buffer, pinfo, tree)
  end
  return buffer:len()
end

protocols:add(135, pmipls)
DissectorTable.get("udp.port"):add(udp_port, pmipls)
"""


class _Script:
    """The parts of the script that come from the descriptions."""

    def __init__(self) -> None:
        #: Lua expressions that make the fields, by the names they are filtered by.
        self.fields: dict[str, str] = {}

    def field(self, name: str, kind: str, label: str, *arguments: str) -> str:
        """Declare a field; what refers to it."""
        self.fields[name] = f"ProtoField.{kind}({', '.join([_quoted(name), _quoted(label), *arguments])})"
        return f"fields[{_quoted(name)}]"

    def layout(self, prefix: str, layout: Layout) -> str:
        return f"{{ {', '.join(self._entry(f'{prefix}.', field) for field in layout.fields)} }}"

    def description(self, title: str, layout: Layout, *others: str) -> str:
        prefix = f"pmipls.{re.sub(r'[^a-z0-9]+', '_', title.lower())}"
        parts = [
            f"title = {_quoted(title)}",
            *others,
            f"lengths = {_lengths(layout)}",
            f"layout = {self.layout(prefix, layout)}",
        ]
        return f"{{ {', '.join(parts)} }}"

    def _entry(self, prefix: str, field: Field | Reserved) -> str:
        if isinstance(field, Reserved):
            return f"{{ octets = {field.octets} }}"
        name = f"{prefix}{field.name}"
        parts = [f"name = {_quoted(field.name)}"]
        if not isinstance(field, Tail):
            parts.append(f"octets = {field.octets}")
        if isinstance(field, Repeated):
            parts += [f"step = {field.step}", f"records = {self.layout(name, field.layout)}"]
        elif isinstance(field, EitherAddress):
            four, six = (self.field(f"{name}.{kind}", kind, field.name) for kind in ("ipv4", "ipv6"))
            parts.append(f"by_length = {{ [4] = {four}, [16] = {six} }}")
        elif isinstance(field, Time):
            parts.append(f"time = {self.field(name, 'absolute_time', field.name, 'base.UTC')}")
        else:
            parts.append(f"field = {self.field(name, *_protofield(field))}")
        if isinstance(field, Flags):
            flags = (
                self.field(f"{name}.{flag.name}", "bool", str(flag.name), str(8 * field.octets), "nil", hex(flag))
                for flag in field.values
            )
            parts.append(f"flags = {{ {', '.join(flags)} }}")
        return f"{{ {', '.join(parts)} }}"


def _lengths(layout: Layout) -> str:
    """The lengths that fit, by a function of the script."""
    if layout.tail is not None and not layout.tail.allowed:
        return f"every({layout.octets}, {layout.tail.step})"
    return f"exactly({', '.join(map(str, sorted(layout.lengths)))})"


def _protofield(field: Field) -> list[str]:
    """Kind and further arguments of a ``ProtoField``, with the label between."""
    if isinstance(field, Number):
        bits = 8 * field.octets
        names = "nil"
        if field.values is not None:
            names = f"{{ {', '.join(f'[{member.value}] = {_quoted(member.name)}' for member in field.values)} }}"
        mask = [hex((1 << bits) - (1 << field.shift))] if field.shift else []
        return [f"uint{bits}", field.name, "base.DEC", names, *mask]
    if isinstance(field, Flags):
        return [f"uint{8 * field.octets}", field.name, "base.HEX"]
    kinds = {
        Fraction: "float",
        Ipv6: "ipv6",
        Ipv4: "ipv4",
        LinkLayer: "ether",
        Text: "string",
        OptionalNumber: "uint32",
    }
    kind = kinds.get(type(field), "uint32" if field.octets else "bytes")
    return [kind, field.name]


def _quoted(text: str) -> str:
    return json.dumps(text)


def script() -> str:
    """The text of ``docs/pmipls.lua``."""
    return "\n".join(_sections())


def _sections() -> Iterator[str]:
    made = _Script()
    messages, options, own_options = [], [], []
    for kind in MESSAGES:
        description = kind.description
        if description.code_point is not None:
            others = [f"octets = {description.layout.octets}"]
            if description.drafted_length is not None:
                others.append(f"drafted_length = {description.drafted_length}")
            body = made.description(description.title, description.layout, *others)
            messages.append(f"  {description.code_point} = {body},")
    for number, option in OPTIONS.items():
        options.append(f"  [{number}] = {made.description(option.description.title, option.description.layout)},")
    for subtype, option in OWN_OPTIONS.items():
        own_options.append(f"  [{subtype}] = {made.description(option.description.title, option.description.layout)},")
    inner_type = made.field("pmipls.type", "uint8", "Inner type")
    inner_length = made.field("pmipls.length", "uint8", "Length")
    option_data = made.field("pmipls.option.data", "bytes", "Data")

    vendor = VendorSpecific.description.layout
    inner_types = {kind.description.code_point for kind in MESSAGES}
    yield _HEAD
    for each in dataclass_fields(CodePoints):
        label = _quoted(each.name.replace("_", " ").capitalize())
        setting = f"signalling.{'inner_types.' if each.name in inner_types else ''}{each.name}"
        yield f'pmipls.prefs.{each.name} = Pref.uint({label}, {each.default}, "{setting} of the profile")'
    yield f"""
local udp_port = {UDP_PORT}
local header_octets = {HEADER.octets}
local pad_1, pad_n, vendor_specific = {PAD_1}, {PAD_N}, {VendorSpecific.description.number}
local vendor_octets, vendor_id_octets = {vendor.octets}, {vendor.fields[0].octets}

local fields = {{"""
    yield from (f"  [{_quoted(name)}] = {expression}," for name, expression in made.fields.items())
    yield "}"
    yield f"local inner_type, inner_length, option_data = {inner_type}, {inner_length}, {option_data}\n"
    yield _LENGTHS
    yield "-- By the preference that has the inner type."
    yield "\n".join(["local messages = {", *messages, "}", ""])
    yield "-- By type."
    yield "\n".join(["local options = {", *options, "}", ""])
    yield "-- Options of our own, by sub-type of the vendor-specific option."
    yield "\n".join(["local own_options = {", *own_options, "}", ""])
    yield """\
for _, field in pairs(fields) do
  table.insert(pmipls.fields, field)
end
"""
    yield _ENGINE


if __name__ == "__main__":
    print(script(), end="")
