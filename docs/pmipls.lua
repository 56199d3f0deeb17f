-- Wireshark dissector of the messages of draft-zhou-netlmm-pmipv6-load-sharing-00, as ryu_pmipls sends them.
-- Generated from the descriptions in ryu_pmipls/wire by `python -m docs.generators.wireshark`; do not edit.
--
-- tshark -X lua_script:pmipls.lua -r FILE, or copy it to the folder of personal Lua plugins (Help, About, Folders).
--
-- It takes the place of Wireshark's own dissector of Mobility Headers, lets that do its work first, and then adds what
-- it does not know: the draft's messages and their options. The numbers can be changed in the preferences.

local pmipls = Proto("pmipls", "Proxy Mobile IPv6 load sharing")

pmipls.prefs.mobility_header_type = Pref.uint("Mobility header type", 11, "signalling.mobility_header_type of the profile")
pmipls.prefs.tunnel_request = Pref.uint("Tunnel request", 1, "signalling.inner_types.tunnel_request of the profile")
pmipls.prefs.tunnel_ack = Pref.uint("Tunnel ack", 2, "signalling.inner_types.tunnel_ack of the profile")
pmipls.prefs.load_info = Pref.uint("Load info", 3, "signalling.inner_types.load_info of the profile")
pmipls.prefs.load_adjust = Pref.uint("Load adjust", 4, "signalling.inner_types.load_adjust of the profile")
pmipls.prefs.route_adjust = Pref.uint("Route adjust", 5, "signalling.inner_types.route_adjust of the profile")
pmipls.prefs.vendor_id = Pref.uint("Vendor id", 32473, "signalling.vendor_id of the profile")

local udp_port = 5436
local header_octets = 6
local pad_1, pad_n, vendor_specific = 0, 1, 19
local vendor_octets, vendor_id_octets = 5, 4

local fields = {
  ["pmipls.tnl_request.mag"] = ProtoField.ipv6("pmipls.tnl_request.mag", "mag"),
  ["pmipls.tnl_ack.lma"] = ProtoField.ipv6("pmipls.tnl_ack.lma", "lma"),
  ["pmipls.load_info.cpu"] = ProtoField.float("pmipls.load_info.cpu", "cpu"),
  ["pmipls.load_info.total_packets"] = ProtoField.uint32("pmipls.load_info.total_packets", "total_packets"),
  ["pmipls.load_info.mags.mag"] = ProtoField.ipv6("pmipls.load_info.mags.mag", "mag"),
  ["pmipls.load_info.mags.packets"] = ProtoField.uint32("pmipls.load_info.mags.packets", "packets"),
  ["pmipls.load_adjust.old_lma"] = ProtoField.ipv6("pmipls.load_adjust.old_lma", "old_lma"),
  ["pmipls.load_adjust.new_lma"] = ProtoField.ipv6("pmipls.load_adjust.new_lma", "new_lma"),
  ["pmipls.route_adjust.prefix"] = ProtoField.ipv6("pmipls.route_adjust.prefix", "prefix"),
  ["pmipls.route_adjust.old_mag"] = ProtoField.ipv6("pmipls.route_adjust.old_mag", "old_mag"),
  ["pmipls.route_adjust.new_mag"] = ProtoField.ipv6("pmipls.route_adjust.new_mag", "new_mag"),
  ["pmipls.alternate_care_of_address.address"] = ProtoField.ipv6("pmipls.alternate_care_of_address.address", "address"),
  ["pmipls.mobile_node_identifier.subtype"] = ProtoField.uint8("pmipls.mobile_node_identifier.subtype", "subtype", base.DEC, { [1] = "NAI", [2] = "IPV6_ADDRESS", [3] = "IMSI", [4] = "P_TMSI", [5] = "EUI_48", [6] = "EUI_64", [7] = "GUTI", [8] = "DUID" }),
  ["pmipls.mobile_node_identifier.identifier"] = ProtoField.string("pmipls.mobile_node_identifier.identifier", "identifier"),
  ["pmipls.vendor_specific.vendor"] = ProtoField.uint32("pmipls.vendor_specific.vendor", "vendor", base.DEC, nil),
  ["pmipls.vendor_specific.subtype"] = ProtoField.uint8("pmipls.vendor_specific.subtype", "subtype", base.DEC, nil),
  ["pmipls.vendor_specific.data"] = ProtoField.bytes("pmipls.vendor_specific.data", "data"),
  ["pmipls.mobility_message_authentication.subtype"] = ProtoField.uint8("pmipls.mobility_message_authentication.subtype", "subtype", base.DEC, nil),
  ["pmipls.mobility_message_authentication.spi"] = ProtoField.uint32("pmipls.mobility_message_authentication.spi", "spi", base.DEC, nil),
  ["pmipls.mobility_message_authentication.authenticator"] = ProtoField.bytes("pmipls.mobility_message_authentication.authenticator", "authenticator"),
  ["pmipls.mobility_message_replay_protection.timestamp"] = ProtoField.uint64("pmipls.mobility_message_replay_protection.timestamp", "timestamp", base.DEC, nil),
  ["pmipls.home_network_prefix.length"] = ProtoField.uint8("pmipls.home_network_prefix.length", "length", base.DEC, nil),
  ["pmipls.home_network_prefix.prefix"] = ProtoField.ipv6("pmipls.home_network_prefix.prefix", "prefix"),
  ["pmipls.handoff_indicator.value"] = ProtoField.uint8("pmipls.handoff_indicator.value", "value", base.DEC, { [0] = "RESERVED", [1] = "NEW_INTERFACE", [2] = "BETWEEN_INTERFACES", [3] = "BETWEEN_MAGS", [4] = "UNKNOWN", [5] = "RE_REGISTRATION", [6] = "NEW_INTERFACE_SHARING_PREFIXES" }),
  ["pmipls.access_technology_type.value"] = ProtoField.uint8("pmipls.access_technology_type.value", "value", base.DEC, { [0] = "RESERVED", [1] = "VIRTUAL", [2] = "PPP", [3] = "IEEE_802_3", [4] = "IEEE_802_11", [5] = "IEEE_802_16E", [6] = "GERAN", [7] = "UTRAN", [8] = "E_UTRAN", [9] = "EHRPD", [10] = "HRPD", [11] = "CDMA2000_1XRTT", [12] = "UMB", [13] = "NB_IOT" }),
  ["pmipls.mobile_node_link_layer_identifier.identifier"] = ProtoField.bytes("pmipls.mobile_node_link_layer_identifier.identifier", "identifier"),
  ["pmipls.link_local_address.address"] = ProtoField.ipv6("pmipls.link_local_address.address", "address"),
  ["pmipls.timestamp.ticks"] = ProtoField.absolute_time("pmipls.timestamp.ticks", "ticks", base.UTC),
  ["pmipls.restart_counter.counter"] = ProtoField.uint32("pmipls.restart_counter.counter", "counter", base.DEC, nil),
  ["pmipls.gre_key.key"] = ProtoField.uint32("pmipls.gre_key.key", "key"),
  ["pmipls.ipv4_home_address_request.prefix_length"] = ProtoField.uint16("pmipls.ipv4_home_address_request.prefix_length", "prefix_length", base.DEC, nil, 0xfc00),
  ["pmipls.ipv4_home_address_request.address"] = ProtoField.ipv4("pmipls.ipv4_home_address_request.address", "address"),
  ["pmipls.ipv4_home_address_reply.status"] = ProtoField.uint8("pmipls.ipv4_home_address_reply.status", "status", base.DEC, { [0] = "SUCCESS", [128] = "REASON_UNSPECIFIED", [129] = "ADMINISTRATIVELY_PROHIBITED", [130] = "INCORRECT_IPV4_HOME_ADDRESS", [131] = "INVALID_IPV4_ADDRESS", [132] = "DYNAMIC_ASSIGNMENT_NOT_AVAILABLE" }),
  ["pmipls.ipv4_home_address_reply.prefix_length"] = ProtoField.uint8("pmipls.ipv4_home_address_reply.prefix_length", "prefix_length", base.DEC, nil, 0xfc),
  ["pmipls.ipv4_home_address_reply.address"] = ProtoField.ipv4("pmipls.ipv4_home_address_reply.address", "address"),
  ["pmipls.ipv4_default_router_address.address"] = ProtoField.ipv4("pmipls.ipv4_default_router_address.address", "address"),
  ["pmipls.ipv4_dhcp_support_mode.flags"] = ProtoField.uint16("pmipls.ipv4_dhcp_support_mode.flags", "flags", base.HEX),
  ["pmipls.ipv4_dhcp_support_mode.flags.S"] = ProtoField.bool("pmipls.ipv4_dhcp_support_mode.flags.S", "S", 16, nil, 0x1),
  ["pmipls.redirect.flags"] = ProtoField.uint16("pmipls.redirect.flags", "flags", base.HEX),
  ["pmipls.redirect.flags.K"] = ProtoField.bool("pmipls.redirect.flags.K", "K", 16, nil, 0x8000),
  ["pmipls.redirect.flags.N"] = ProtoField.bool("pmipls.redirect.flags.N", "N", 16, nil, 0x4000),
  ["pmipls.redirect.address.ipv4"] = ProtoField.ipv4("pmipls.redirect.address.ipv4", "address"),
  ["pmipls.redirect.address.ipv6"] = ProtoField.ipv6("pmipls.redirect.address.ipv6", "address"),
  ["pmipls.load_information.priority"] = ProtoField.uint16("pmipls.load_information.priority", "priority", base.DEC, nil),
  ["pmipls.load_information.sessions"] = ProtoField.uint32("pmipls.load_information.sessions", "sessions", base.DEC, nil),
  ["pmipls.load_information.maximum_sessions"] = ProtoField.uint32("pmipls.load_information.maximum_sessions", "maximum_sessions", base.DEC, nil),
  ["pmipls.load_information.used_capacity"] = ProtoField.uint32("pmipls.load_information.used_capacity", "used_capacity", base.DEC, nil),
  ["pmipls.load_information.maximum_capacity"] = ProtoField.uint32("pmipls.load_information.maximum_capacity", "maximum_capacity", base.DEC, nil),
  ["pmipls.alternate_ipv4_care_of_address.address"] = ProtoField.ipv4("pmipls.alternate_ipv4_care_of_address.address", "address"),
  ["pmipls.attachment.port"] = ProtoField.uint32("pmipls.attachment.port", "port", base.DEC, nil),
  ["pmipls.attachment.anchor"] = ProtoField.ipv6("pmipls.attachment.anchor", "anchor"),
  ["pmipls.core_gateway.link_layer_address"] = ProtoField.ether("pmipls.core_gateway.link_layer_address", "link_layer_address"),
  ["pmipls.load_info_part.window"] = ProtoField.uint32("pmipls.load_info_part.window", "window", base.DEC, nil),
  ["pmipls.load_info_part.index"] = ProtoField.uint8("pmipls.load_info_part.index", "index", base.DEC, nil),
  ["pmipls.load_info_part.count"] = ProtoField.uint8("pmipls.load_info_part.count", "count", base.DEC, nil),
  ["pmipls.tunnel_status.status"] = ProtoField.uint8("pmipls.tunnel_status.status", "status", base.DEC, { [0] = "ACCEPTED", [129] = "ADMINISTRATIVELY_PROHIBITED", [130] = "INSUFFICIENT_RESOURCES" }),
  ["pmipls.tunnel_status.encapsulation"] = ProtoField.uint8("pmipls.tunnel_status.encapsulation", "encapsulation", base.DEC, { [0] = "GRE", [1] = "SRV6" }),
  ["pmipls.uplink_share.lma"] = ProtoField.ipv6("pmipls.uplink_share.lma", "lma"),
  ["pmipls.uplink_share.slots"] = ProtoField.uint16("pmipls.uplink_share.slots", "slots", base.DEC, nil),
  ["pmipls.drain.draining"] = ProtoField.uint8("pmipls.drain.draining", "draining", base.DEC, nil),
  ["pmipls.core_routing_status.status"] = ProtoField.uint8("pmipls.core_routing_status.status", "status", base.DEC, { [0] = "ANNOUNCED", [1] = "DRAINED", [2] = "WITHDRAWN", [3] = "NOT_ANNOUNCED", [4] = "BGP_DOWN", [5] = "BFD_DOWN", [6] = "UNWATCHED", [7] = "NO_ANSWER" }),
  ["pmipls.grant.code"] = ProtoField.bytes("pmipls.grant.code", "code"),
  ["pmipls.grant_key.secret"] = ProtoField.bytes("pmipls.grant_key.secret", "secret"),
  ["pmipls.route_snapshot.number"] = ProtoField.uint32("pmipls.route_snapshot.number", "number", base.DEC, nil),
  ["pmipls.route_snapshot.complete"] = ProtoField.uint8("pmipls.route_snapshot.complete", "complete", base.DEC, nil),
  ["pmipls.type"] = ProtoField.uint8("pmipls.type", "Inner type"),
  ["pmipls.length"] = ProtoField.uint8("pmipls.length", "Length"),
  ["pmipls.option.data"] = ProtoField.bytes("pmipls.option.data", "Data"),
}
local inner_type, inner_length, option_data = fields["pmipls.type"], fields["pmipls.length"], fields["pmipls.option.data"]

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

-- By the preference that has the inner type.
local messages = {
  tunnel_request = { title = "Tnl_request", octets = 16, lengths = exactly(16), layout = { { name = "mag", octets = 16, field = fields["pmipls.tnl_request.mag"] } } },
  tunnel_ack = { title = "Tnl_ack", octets = 16, lengths = exactly(16), layout = { { name = "lma", octets = 16, field = fields["pmipls.tnl_ack.lma"] } } },
  load_info = { title = "Load_info", octets = 8, lengths = every(8, 20), layout = { { name = "cpu", octets = 4, field = fields["pmipls.load_info.cpu"] }, { name = "total_packets", octets = 4, field = fields["pmipls.load_info.total_packets"] }, { name = "mags", step = 20, records = { { name = "mag", octets = 16, field = fields["pmipls.load_info.mags.mag"] }, { name = "packets", octets = 4, field = fields["pmipls.load_info.mags.packets"] } } } } },
  load_adjust = { title = "Load_adjust", octets = 32, lengths = exactly(32), layout = { { name = "old_lma", octets = 16, field = fields["pmipls.load_adjust.old_lma"] }, { name = "new_lma", octets = 16, field = fields["pmipls.load_adjust.new_lma"] } } },
  route_adjust = { title = "Route_adjust", octets = 48, drafted_length = 32, lengths = exactly(48), layout = { { name = "prefix", octets = 16, field = fields["pmipls.route_adjust.prefix"] }, { name = "old_mag", octets = 16, field = fields["pmipls.route_adjust.old_mag"] }, { name = "new_mag", octets = 16, field = fields["pmipls.route_adjust.new_mag"] } } },
}

-- By type.
local options = {
  [3] = { title = "Alternate Care-of Address", lengths = exactly(16), layout = { { name = "address", octets = 16, field = fields["pmipls.alternate_care_of_address.address"] } } },
  [8] = { title = "Mobile Node Identifier", lengths = every(1, 1), layout = { { name = "subtype", octets = 1, field = fields["pmipls.mobile_node_identifier.subtype"] }, { name = "identifier", field = fields["pmipls.mobile_node_identifier.identifier"] } } },
  [19] = { title = "Vendor Specific", lengths = every(5, 1), layout = { { name = "vendor", octets = 4, field = fields["pmipls.vendor_specific.vendor"] }, { name = "subtype", octets = 1, field = fields["pmipls.vendor_specific.subtype"] }, { name = "data", field = fields["pmipls.vendor_specific.data"] } } },
  [9] = { title = "Mobility Message Authentication", lengths = every(5, 1), layout = { { name = "subtype", octets = 1, field = fields["pmipls.mobility_message_authentication.subtype"] }, { name = "spi", octets = 4, field = fields["pmipls.mobility_message_authentication.spi"] }, { name = "authenticator", field = fields["pmipls.mobility_message_authentication.authenticator"] } } },
  [10] = { title = "Mobility Message Replay Protection", lengths = exactly(8), layout = { { name = "timestamp", octets = 8, field = fields["pmipls.mobility_message_replay_protection.timestamp"] } } },
  [22] = { title = "Home Network Prefix", lengths = exactly(18), layout = { { octets = 1 }, { name = "length", octets = 1, field = fields["pmipls.home_network_prefix.length"] }, { name = "prefix", octets = 16, field = fields["pmipls.home_network_prefix.prefix"] } } },
  [23] = { title = "Handoff Indicator", lengths = exactly(2), layout = { { octets = 1 }, { name = "value", octets = 1, field = fields["pmipls.handoff_indicator.value"] } } },
  [24] = { title = "Access Technology Type", lengths = exactly(2), layout = { { octets = 1 }, { name = "value", octets = 1, field = fields["pmipls.access_technology_type.value"] } } },
  [25] = { title = "Mobile Node Link-layer Identifier", lengths = every(2, 1), layout = { { octets = 2 }, { name = "identifier", field = fields["pmipls.mobile_node_link_layer_identifier.identifier"] } } },
  [26] = { title = "Link-local Address", lengths = exactly(16), layout = { { name = "address", octets = 16, field = fields["pmipls.link_local_address.address"] } } },
  [27] = { title = "Timestamp", lengths = exactly(8), layout = { { name = "ticks", octets = 8, time = fields["pmipls.timestamp.ticks"] } } },
  [28] = { title = "Restart Counter", lengths = exactly(4), layout = { { name = "counter", octets = 4, field = fields["pmipls.restart_counter.counter"] } } },
  [33] = { title = "GRE Key", lengths = exactly(2, 6), layout = { { octets = 2 }, { name = "key", field = fields["pmipls.gre_key.key"] } } },
  [36] = { title = "IPv4 Home Address Request", lengths = exactly(6), layout = { { name = "prefix_length", octets = 2, field = fields["pmipls.ipv4_home_address_request.prefix_length"] }, { name = "address", octets = 4, field = fields["pmipls.ipv4_home_address_request.address"] } } },
  [37] = { title = "IPv4 Home Address Reply", lengths = exactly(6), layout = { { name = "status", octets = 1, field = fields["pmipls.ipv4_home_address_reply.status"] }, { name = "prefix_length", octets = 1, field = fields["pmipls.ipv4_home_address_reply.prefix_length"] }, { name = "address", octets = 4, field = fields["pmipls.ipv4_home_address_reply.address"] } } },
  [38] = { title = "IPv4 Default-Router Address", lengths = exactly(6), layout = { { octets = 2 }, { name = "address", octets = 4, field = fields["pmipls.ipv4_default_router_address.address"] } } },
  [39] = { title = "IPv4 DHCP Support Mode", lengths = exactly(2), layout = { { name = "flags", octets = 2, field = fields["pmipls.ipv4_dhcp_support_mode.flags"], flags = { fields["pmipls.ipv4_dhcp_support_mode.flags.S"] } } } },
  [46] = { title = "Redirect-Capability", lengths = exactly(2), layout = { { octets = 2 } } },
  [47] = { title = "Redirect", lengths = exactly(6, 18), layout = { { name = "flags", octets = 2, field = fields["pmipls.redirect.flags"], flags = { fields["pmipls.redirect.flags.K"], fields["pmipls.redirect.flags.N"] } }, { name = "address", by_length = { [4] = fields["pmipls.redirect.address.ipv4"], [16] = fields["pmipls.redirect.address.ipv6"] } } } },
  [48] = { title = "Load Information", lengths = exactly(18), layout = { { name = "priority", octets = 2, field = fields["pmipls.load_information.priority"] }, { name = "sessions", octets = 4, field = fields["pmipls.load_information.sessions"] }, { name = "maximum_sessions", octets = 4, field = fields["pmipls.load_information.maximum_sessions"] }, { name = "used_capacity", octets = 4, field = fields["pmipls.load_information.used_capacity"] }, { name = "maximum_capacity", octets = 4, field = fields["pmipls.load_information.maximum_capacity"] } } },
  [49] = { title = "Alternate IPv4 Care-of Address", lengths = exactly(4), layout = { { name = "address", octets = 4, field = fields["pmipls.alternate_ipv4_care_of_address.address"] } } },
}

-- Options of our own, by sub-type of the vendor-specific option.
local own_options = {
  [1] = { title = "Attachment", lengths = exactly(20), layout = { { name = "port", octets = 4, field = fields["pmipls.attachment.port"] }, { name = "anchor", octets = 16, field = fields["pmipls.attachment.anchor"] } } },
  [2] = { title = "Core Gateway", lengths = exactly(6), layout = { { name = "link_layer_address", octets = 6, field = fields["pmipls.core_gateway.link_layer_address"] } } },
  [3] = { title = "Load Info Part", lengths = exactly(6), layout = { { name = "window", octets = 4, field = fields["pmipls.load_info_part.window"] }, { name = "index", octets = 1, field = fields["pmipls.load_info_part.index"] }, { name = "count", octets = 1, field = fields["pmipls.load_info_part.count"] } } },
  [4] = { title = "Tunnel Status", lengths = exactly(2), layout = { { name = "status", octets = 1, field = fields["pmipls.tunnel_status.status"] }, { name = "encapsulation", octets = 1, field = fields["pmipls.tunnel_status.encapsulation"] } } },
  [5] = { title = "Uplink Share", lengths = exactly(18), layout = { { name = "lma", octets = 16, field = fields["pmipls.uplink_share.lma"] }, { name = "slots", octets = 2, field = fields["pmipls.uplink_share.slots"] } } },
  [6] = { title = "Drain", lengths = exactly(1), layout = { { name = "draining", octets = 1, field = fields["pmipls.drain.draining"] } } },
  [7] = { title = "Core Routing Status", lengths = exactly(1), layout = { { name = "status", octets = 1, field = fields["pmipls.core_routing_status.status"] } } },
  [8] = { title = "Grant", lengths = exactly(16), layout = { { name = "code", field = fields["pmipls.grant.code"] } } },
  [9] = { title = "Grant Key", lengths = exactly(32), layout = { { name = "secret", field = fields["pmipls.grant_key.secret"] } } },
  [10] = { title = "Route Snapshot", lengths = exactly(5), layout = { { name = "number", octets = 4, field = fields["pmipls.route_snapshot.number"] }, { name = "complete", octets = 1, field = fields["pmipls.route_snapshot.complete"] } } },
}

for _, field in pairs(fields) do
  table.insert(pmipls.fields, field)
end

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
