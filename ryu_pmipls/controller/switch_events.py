"""Consequences of what switches report: connections, ports, entries, counters, errors."""

from __future__ import annotations

import logging
from typing import Any

from ryu_pmipls.controller.context import Context
from ryu_pmipls.controller.failure_detection import FailureDetection
from ryu_pmipls.controller.health import HealthControl
from ryu_pmipls.controller.load_measurement import LoadMeasurement
from ryu_pmipls.controller.ryu import error_name
from ryu_pmipls.controller.ryu import ofproto_v1_3 as ofp
from ryu_pmipls.controller.ryu.connection import Connection
from ryu_pmipls.controller.switches.switch import Switch

LOG = logging.getLogger(__name__)


class SwitchEvents:
    """Handles the messages of switches (Ryu's objects); those of a connection that was replaced are ignored."""

    def __init__(
        self,
        context: Context,
        measurement: LoadMeasurement,
        failures: FailureDetection,
        health: HealthControl,
    ) -> None:
        self._switches = context.switches
        self._measurement = measurement
        self._failures = failures
        self._health = health

    def connect(self, connection: Connection) -> None:
        """Have the switch at a new connection reconciled; admission has seen to it that it is one of the domain."""
        switch = self._switches.by_datapath_id[connection.id]
        LOG.info("%s: connected from %s", switch.name, connection.address[0])
        switch.connected(connection)

    def disconnect(self, connection: Connection) -> None:
        """Handle the end of a switch's connection, which may be a sign of death."""
        switch = self._switch(connection)
        if switch is None:
            return
        LOG.warning("%s: disconnected", switch.name)
        switch.disconnected()
        self._health.update_counters(switch)
        if switch.name in self._switches.lmas:
            self._measurement.lose_switch(switch.name)
            self._failures.judge_soon()
        else:
            self._failures.update_tunnels(switch.name)

    def describe_ports(self, message: Any) -> None:
        """Handle the list of all ports, or a part of it."""
        switch = self._switch(message.datapath)
        if switch is not None:
            switch.inventory.record_port_descriptions(message.body, _more(message))
            self._update_ports(switch)

    def change_port(self, message: Any) -> None:
        """Handle a port that came, went or changed."""
        switch = self._switch(message.datapath)
        if switch is not None:
            switch.follow_port_status(message.desc, message.reason == ofp.OFPPR_DELETE)
            self._update_ports(switch)

    def describe_groups(self, message: Any) -> None:
        """Handle the description of groups."""
        switch = self._switch(message.datapath)
        if switch is not None:
            switch.inventory.record_group_descriptions(message.body)

    def describe_entries(self, message: Any) -> None:
        """Handle flow stats."""
        switch = self._switch(message.datapath)
        if switch is not None:
            switch.record_flow_stats(message.xid, message.body)

    def add_port_statistics(self, message: Any) -> None:
        """Handle the counters of all ports, or of a part of them."""
        switch = self._switch(message.datapath)
        if switch is not None and switch.counters.record_port_stats(message.body, _more(message)):
            self._health.update_counters(switch)
            if switch.name in self._switches.lmas:
                self._measurement.add_port_statistics(switch.name)

    def add_group_statistics(self, message: Any) -> None:
        """Handle the counters of groups."""
        switch = self._switch(message.datapath)
        if switch is not None and switch.name in self._switches.mags:
            self._measurement.add_group_statistics(switch.name, message.body)

    def add_aggregate_statistics(self, message: Any) -> None:
        """Handle the summed counters of some flow entries."""
        switch = self._switch(message.datapath)
        if switch is not None:
            switch.record_aggregate(message.xid, message.body)

    def fail(self, message: Any) -> None:
        """Handle an error, by which a switch refuses a message."""
        switch = self._switch(message.datapath)
        if switch is not None:
            switch.record_error(message.xid, error_name(message))

    def _switch(self, connection: Connection) -> Switch | None:
        switch = self._switches.by_datapath_id.get(connection.id)
        return switch if switch is not None and switch.serves(connection) else None

    def _update_ports(self, switch: Switch) -> None:
        if switch.name in self._switches.lmas:
            self._measurement.update_ports(switch.name)
        else:
            self._failures.update_tunnels(switch.name)


def _more(message: Any) -> bool:
    """True when another part of a multipart reply follows."""
    return bool(message.flags & ofp.OFPMPF_REPLY_MORE)
