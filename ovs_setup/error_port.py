"""The port of the service bridge to which the pipeline sends undeliverable packets, for the agent to answer.

Its name tells the RMS, which has no other way to learn it, the MTU of the node's tunnels: ``icmp-1452``.
"""

from __future__ import annotations

from ovs_setup import OvsSetupError
from ovs_setup.node import SERVICE_BRIDGE
from ovs_setup.vswitch import OpenVSwitch
from ryu_pmipls.domain.profile import ERROR_PORT_PREFIX

_MTU = 9000  # octets of the largest packet that is answered


def add_error_port(ovs: OpenVSwitch, tunnel_mtu: int) -> str:
    """Make the port for tunnels of ``tunnel_mtu`` octets, if need be; returns its name.

    The port is the agent's alone: the kernel does not speak IPv6 there. ``OvsSetupError`` when that cannot be done.
    """
    name = f"{ERROR_PORT_PREFIX}{tunnel_mtu}"
    others = [port for port in ovs.vsctl("list-ports", SERVICE_BRIDGE).split() if port.startswith(ERROR_PORT_PREFIX)]
    steps = [["--if-exists", "del-port", SERVICE_BRIDGE, port] for port in others if port != name]
    steps.append(["--may-exist", "add-port", SERVICE_BRIDGE, name])
    steps.append(["set", "interface", name, "type=internal", f"mtu_request={_MTU}"])
    ovs.vsctl(*(word for step in steps for word in ("--", *step)))
    if error := ovs.vsctl("get", "interface", name, "error").strip('[]"'):
        raise OvsSetupError(f"port {name}: {error}")
    ovs.execute("sysctl", "-qw", f"net/ipv6/conf/{name}/disable_ipv6=1")
    ovs.execute("ip", "link", "set", name, "up")
    return name
