"""Open vSwitch as MAG and LMA in network namespaces: set-up, undo, restarts, tunnels with real traffic."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from ipaddress import IPv6Address

import pytest
from click.testing import CliRunner
from ovs_places import LMA, MAG, PROFILE, Place, Places, sh, within

from ovs_setup import OvsSetupError, offloads
from ovs_setup import __main__ as command
from ovs_setup.node import Node, hasten_reconnection, set_up, tear_down
from ovs_setup.packet_sockets import RECEIVE_BUFFER, packet_sockets
from ovs_setup.tunnel import add_tunnel, encapsulation, neighbour_lifetime, remove_tunnel, tunnels, warm_up
from ovs_setup.tunnel_neighbours import correct_neighbours
from ovs_setup.vswitch import OpenVSwitch, OvsError
from ryu_pmipls.domain.profile import PROFILE_VARIABLE
from tests.waiting import PATIENCE, eventually

CN = "fd00:c0de::1"


def received_by_tcp(octets: bytes, sender: str, receiver: str, address: str) -> bytes:
    """What comes of the octets sent from one namespace to an address in another, each step within 10 s."""

    def receive() -> bytes:
        with listener.accept()[0] as connection:
            connection.settimeout(10)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    with (
        within(receiver, lambda: socket.create_server((address, 0), family=socket.AF_INET6)) as listener,
        ThreadPoolExecutor(1) as pool,
    ):
        listener.settimeout(10)
        received = pool.submit(receive)
        endpoint = address, listener.getsockname()[1]
        with within(sender, lambda: socket.create_connection(endpoint, 10)) as connection:
            connection.sendall(octets)
        return received.result()


def addresses(place: Place, device: str) -> set[str]:
    lines = place.ip(f"-o -6 address show dev {device} scope global").splitlines()
    return {line.split()[3] for line in lines}


def test_start_is_repeatable_and_stop_leaves_nothing_running(places: Places) -> None:
    ovs = places("pos-s").ovs
    assert not ovs.running()
    with pytest.raises(OvsSetupError, match="does not run"):
        ovs.vswitchd_pid()
    ovs.start()
    pid = ovs.vswitchd_pid()
    ovs.start()
    assert ovs.running()
    assert ovs.vswitchd_pid() == pid
    assert ovs.version() >= (2, 17, 0)
    ovs.stop()
    ovs.stop()
    assert not ovs.running()
    assert sorted(path.suffix for path in ovs.run_directory.iterdir() if path.suffix != ".~lock~") == [
        ".db",
        ".log",
        ".log",
    ]


def test_a_failed_command_tells_what_and_why(places: Places) -> None:
    ovs = places("pos-s").ovs
    ovs.start()
    with pytest.raises(OvsError) as caught:
        ovs.vsctl("list-ports", "nowhere")
    assert "list-ports nowhere" in caught.value.command
    assert "no bridge named nowhere" in caught.value.stderr
    with pytest.raises(OvsError, match="no-such-program"):
        ovs.execute("no-such-program")


def test_the_hosts_own_switch_is_not_started_or_stopped() -> None:
    for attempt in (OpenVSwitch().start, OpenVSwitch().stop):
        with pytest.raises(OvsSetupError, match="service manager"):
            attempt()


@pytest.mark.parametrize("daemon", ["ovs-vswitchd", "ovsdb-server"])
def test_a_killed_daemon_is_noticed_and_started_again(host: Place, daemon: str) -> None:
    ovs = host.ovs
    set_up(ovs, PROFILE, MAG, "netdev", "eth0")
    os.kill(int((ovs.run_directory / f"{daemon}.pid").read_text()), signal.SIGKILL)
    eventually(lambda: not ovs.running(), f"the end of {daemon}")
    ovs.start()
    assert ovs.running()
    assert set(ovs.vsctl("list-br").split()) == {"br-pm", "br-u"}
    set_up(ovs, PROFILE, MAG, "netdev", "eth0")
    assert f"{MAG.address}/64" in addresses(host, "br-u")
    assert "2001:db8:f::/48 via fd00:5213::1 dev br-u metric 77" in host.ip("-6 route show")


@pytest.mark.parametrize("node", [MAG, LMA], ids=["mag", "lma"])
def test_set_up_makes_the_node_and_tear_down_restores_the_host(host: Place, node: Node) -> None:
    ovs = host.ovs
    host.ovs.execute("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
    before = host.state()
    set_up(ovs, PROFILE, node, "netdev", "eth0")

    ports = list(MAG.access_ports) if node is MAG else ["core"]
    assert set(ovs.vsctl("list-ports", "br-pm").split()) == set(ports)
    assert [ovs.vsctl("get", "interface", port, "ofport") for port in ports] == [str(n + 1) for n in range(len(ports))]
    assert ovs.vsctl("get", "bridge", "br-pm", "datapath_id").strip('"') == f"{node.datapath_id:016x}"
    assert ovs.vsctl("get-controller", "br-pm") == "tcp:[fd00:5213::99]:6653"
    assert ovs.vsctl("get-fail-mode", "br-pm") == "secure"
    assert ovs.vsctl("list-ports", "br-u") == "eth0"
    assert addresses(host, "br-u") == {f"{MAG.address}/64", f"{LMA.address}/64"}
    assert addresses(host, "eth0") == set()
    assert addresses(host, "br-pm") == (set() if node is MAG else {str(LMA.core.address)})
    assert host.sysctl("net.ipv6.conf.all.forwarding") == "0"
    assert host.sysctl("net.ipv6.conf.br-pm.accept_ra") == "0"
    for port in ports:
        assert "inet" not in host.ip(f"address show dev {port}")
        assert host.ip(f"-4 route show dev {port}") == host.ip(f"-6 route show dev {port}") == ""
        assert int(host.ip(f"-o link show {port}").split(" mtu ")[1].split()[0]) >= 1452
    assert "actions" not in ovs.ofctl("dump-flows", "br-pm")
    assert [port for port in (*ports, "eth0") if offloads.active(ovs, port, offloads.RECEIVING)] == []

    tear_down(ovs, PROFILE, node)
    host.is_as(before)
    tear_down(ovs, PROFILE, node)
    host.is_as(before)


def test_a_second_set_up_changes_nothing(host: Place) -> None:
    set_up(host.ovs, PROFILE, LMA, "netdev", "eth0")
    host.ovs.ofctl("add-flow", "br-pm", "cookie=7,actions=drop")
    before = host.state(), host.ovs.vsctl("--columns=_uuid", "list", "controller"), host.ovs.vsctl("list", "bridge")
    set_up(host.ovs, PROFILE, LMA, "netdev", "eth0")
    after = host.state(), host.ovs.vsctl("--columns=_uuid", "list", "controller"), host.ovs.vsctl("list", "bridge")
    assert after == before
    assert "cookie=0x7" in host.ovs.ofctl("dump-flows", "br-pm")


def test_a_lab_without_addresses_takes_them_from_the_profile(host: Place) -> None:
    host.ip("-6 address flush dev eth0 scope global")
    host.ip("-6 route flush dev eth0 metric 77")
    before = host.state()
    set_up(host.ovs, PROFILE, MAG, "netdev", "eth0")
    assert addresses(host, "br-u") == {f"{MAG.address}/64"}
    tear_down(host.ovs, PROFILE, MAG)
    host.is_as(before)
    deployed = PROFILE.model_copy(update={"lab": None})
    with pytest.raises(OvsSetupError, match=f"mag1: eth0 does not have the address {MAG.address}"):
        set_up(host.ovs, deployed, MAG, "netdev", "eth0")
    host.is_as(before)


def test_packets_have_room_to_wait_for_the_switch_also_when_it_was_started_again(host: Place) -> None:
    set_up(host.ovs, PROFILE, MAG, "netdev", "eth0")
    for _ in range(2):
        pid = host.ovs.vswitchd_pid()
        rooms = {
            opened.getsockname()[0]: opened.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
            for opened in packet_sockets(pid)
        }
        rooms.pop("", None)  # one that only sends
        assert rooms == dict.fromkeys((*MAG.access_ports, "eth0"), RECEIVE_BUFFER)
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: not host.ovs.running(), "the end of the switch")
        host.ovs.start()


def test_tcp_passes_between_the_bridges_own_interface_and_a_port_also_when_the_switch_was_started_again(
    host: Place, places: Places
) -> None:
    places("pos-r")
    host.ip("link set core-x netns pos-r")
    sh("ip -n pos-r link set core-x up")
    sh(f"ip -n pos-r address add {CN}/64 dev core-x nodad")
    for _ in range(2):
        set_up(host.ovs, PROFILE, LMA, "netdev", "eth0")
        host.ovs.ofctl("add-flow", "br-pm", "in_port=LOCAL,actions=output:core")
        host.ovs.ofctl("add-flow", "br-pm", "in_port=core,actions=output:LOCAL")
        octets = b"segment" * 100_000
        assert received_by_tcp(octets, host.name, "pos-r", CN) == octets
        host.ovs.stop()
        host.ovs.start()


def test_an_offload_that_stays_on_is_refused(places: Places) -> None:
    with pytest.raises(OvsSetupError, match=r"lo: tx-checksumming must be off .* but cannot be turned off"):
        offloads.turn_off(places("pos-s").ovs, "lo", offloads.SENDING)


def test_what_is_missing_is_named_and_nothing_is_changed(host: Place) -> None:
    host.ip("link del acc2")
    before = host.state()
    with pytest.raises(OvsSetupError, match="there is no interface acc2"):
        set_up(host.ovs, PROFILE, MAG, "netdev", "eth0")
    with pytest.raises(OvsSetupError, match="there is no interface eth9"):
        set_up(host.ovs, PROFILE, LMA, "netdev", "eth9")
    with pytest.raises(OvsSetupError, match="needs an underlay port"):
        set_up(host.ovs, PROFILE, LMA, "netdev", None)
    with pytest.raises(OvsSetupError, match="Open vSwitch cannot use br-pm"):
        set_up(host.ovs, PROFILE, LMA, "system", None)  # a private switch has no kernel datapath
    host.ovs.vsctl("add-br", "br-other", "--", "add-port", "br-other", "core")
    with pytest.raises(OvsError, match="br-other"):
        set_up(host.ovs, PROFILE, LMA, "netdev", "eth0")
    host.ovs.vsctl("del-br", "br-other", "--", "add-br", "br-pm")
    with pytest.raises(OvsSetupError, match="a bridge br-pm that this set-up has not made"):
        set_up(host.ovs, PROFILE, LMA, "netdev", "eth0")
    tear_down(host.ovs, PROFILE, LMA)
    assert host.ovs.vsctl("list-br") == "br-pm"
    host.ovs.vsctl("del-br", "br-pm")
    host.is_as(before)
    host.ovs.stop()
    with pytest.raises(OvsSetupError, match="Open vSwitch does not run"):
        set_up(host.ovs, PROFILE, LMA, "netdev", "eth0")


def test_one_switch_is_one_node(host: Place) -> None:
    set_up(host.ovs, PROFILE, LMA, "netdev", "eth0")
    before = host.state()
    with pytest.raises(OvsSetupError, match="the switch of lma1 already"):
        set_up(host.ovs, PROFILE, MAG, "netdev", "eth0")
    with pytest.raises(OvsSetupError, match="underlay port eth0"):
        set_up(host.ovs, PROFILE, LMA, "netdev", "acc1")
    with pytest.raises(OvsSetupError, match="the switch of lma1, not of mag1"):
        tear_down(host.ovs, PROFILE, MAG)
    host.is_as(before)


def test_tear_down_works_when_the_ports_have_gone(host: Place) -> None:
    set_up(host.ovs, PROFILE, LMA, "netdev", "eth0")
    host.ip("link del core")
    host.ip("link del eth0")
    tear_down(host.ovs, PROFILE, LMA)
    assert host.ovs.vsctl("list-br") == ""


class Controller:
    """As much of an OpenFlow 1.3 controller as a switch needs to count it as connected."""

    def __init__(self, namespace: str, address: IPv6Address) -> None:
        self._listener = within(namespace, lambda: socket.create_server((str(address), 6653), family=socket.AF_INET6))
        self._listener.settimeout(PATIENCE)

    def accept(self) -> socket.socket:
        connection, _ = self._listener.accept()
        connection.sendall(struct.pack("!BBHI", 4, 0, 8, 1))  # hello
        return connection

    def close(self) -> None:
        self._listener.close()


def test_rules_outlive_the_controller_which_is_looked_for_every_second(host: Place, places: Places) -> None:
    ovs = host.ovs
    places("pos-r")
    host.ip("link set eth0-x netns pos-r")
    sh("ip -n pos-r link set eth0-x up")
    sh(f"ip -n pos-r address add {PROFILE.rms.address}/64 dev eth0-x nodad")
    set_up(ovs, PROFILE, MAG, "netdev", "eth0")
    ovs.ofctl("add-flow", "br-pm", "cookie=7,actions=drop")
    rules = ovs.ofctl("--no-stats", "dump-flows", "br-pm")
    assert "cookie=0x7" in rules
    assert not hasten_reconnection(ovs)
    with closing(Controller("pos-r", PROFILE.rms.address)) as controller, controller.accept() as connection:
        eventually(lambda: hasten_reconnection(ovs), "a controller that is connected")
        set_up(ovs, PROFILE, MAG, "netdev", "eth0")
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):  # had the switch closed the connection, recv() would give b""
            while connection.recv(4096):
                pass
        said_before = len(ovs.log.read_text())
    # It says that it connects as long as it waits longer after each time: not any more, for it tries every second.
    said = eventually(
        lambda: (log := ovs.log.read_text()[said_before:]).count("connection dropped (Connection refused)") > 2 and log,
        "some tries",
    )
    assert "connecting..." not in said
    assert ovs.ofctl("--no-stats", "dump-flows", "br-pm") == rules
    with closing(Controller("pos-r", PROFILE.rms.address)) as controller:
        controller.accept().close()
    assert ovs.ofctl("--no-stats", "dump-flows", "br-pm") == rules


def test_a_switch_that_came_back_without_addresses_finds_the_controller_once_it_has_them(
    host: Place, places: Places
) -> None:
    ovs = host.ovs
    places("pos-r")
    host.ip("link set eth0-x netns pos-r")
    sh("ip -n pos-r link set eth0-x up")
    sh(f"ip -n pos-r address add {PROFILE.rms.address}/64 dev eth0-x nodad")
    set_up(ovs, PROFILE, MAG, "netdev", "eth0")
    with closing(Controller("pos-r", PROFILE.rms.address)) as controller:
        controller.accept().close()
        ovs.stop()
        host.ip("link del br-u")  # as when the host was started again
        ovs.log.unlink()
        ovs.start()
        assert addresses(host, "br-u") == set()
        eventually(lambda: "seconds before reconnect" in ovs.log.read_text(), "a try in vain")
        before = ovs.rows("Controller", "_uuid")
        set_up(ovs, PROFILE, MAG, "netdev", "eth0")
        assert ovs.rows("Controller", "_uuid") != before  # it begins anew, instead of waiting longer each time
        controller.accept().close()


class Domain:
    def __init__(self, places: Places) -> None:
        self.mag, self.lma, self.mn, self.cn = (places(f"pos-{name}") for name in ("mag", "lma", "mn", "cn"))
        self._link(self.mag, "eth0", self.lma, "eth0")
        self._link(self.mag, "acc1", self.mn, "eth0")
        self._link(self.lma, "core", self.cn, "eth0")
        for place, node in ((self.mag, MAG.model_copy(update={"access_ports": ("acc1",)})), (self.lma, LMA)):
            place.ovs.start()
            set_up(place.ovs, PROFILE, node, "netdev", "eth0")
        self.mn.ip("address add 2001:db8:100::1/64 dev eth0 nodad")
        self.mn.ip("route add default via fe80::1 dev eth0")
        self.mn.ip("neighbour add fe80::1 lladdr 02:00:00:00:00:fe dev eth0")
        self.cn.ip(f"address add {CN}/64 dev eth0 nodad")

    @staticmethod
    def _link(a: Place, a_port: str, b: Place, b_port: str) -> None:
        a.ip(f"link add {a_port} type veth peer name {b_port} netns {b.name}")
        for place, port in ((a, a_port), (b, b_port)):
            place.ovs.execute("ethtool", "-K", port, "tx", "off")
            place.ip(f"link set {port} up")

    def build(self) -> None:
        """Both ends of the tunnel, and the rules that use it uplink."""
        kind = encapsulation(self.mag.ovs, "auto")
        add_tunnel(self.mag.ovs, "lma1", MAG.address, LMA.address, kind)
        add_tunnel(self.lma.ovs, "mag1", LMA.address, MAG.address, kind)
        gateway = self.cn.ip("-o link show dev eth0").split("link/ether ")[1].split()[0]
        self.mag.ovs.ofctl("add-flow", "br-pm", "in_port=acc1,ipv6,actions=output:t-lma1")
        self.lma.ovs.ofctl(
            "add-flow",
            "br-pm",
            f"in_port=t-mag1,ipv6,actions=set_field:02:00:00:00:00:fd->eth_src,set_field:{gateway}->eth_dst,output:core",
        )

    def forget_neighbours(self) -> None:
        for place in (self.mag, self.lma):
            place.ovs.appctl("tnl/neigh/flush")
            place.ip("neighbour flush dev br-u")

    def lost(self, packets: int, gap: float, patience: float = 5.0) -> int:
        """How many of so many packets, sent ``gap`` seconds apart, do not come from the mobile node to the other.

        ``patience`` is for how many seconds nothing may come at the end.
        """
        receiver, sender = (
            within(place.name, lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM))
            for place in (self.cn, self.mn)
        )
        received: set[bytes] = set()

        def drain(timeout: float) -> None:
            receiver.settimeout(timeout)
            with suppress(TimeoutError, BlockingIOError):
                while len(received) < packets:
                    received.add(receiver.recv(100))

        with closing(receiver), closing(sender):
            receiver.bind((CN, 9000))
            for number in range(packets):
                sender.sendto(struct.pack("!I", number), (CN, 9000))
                time.sleep(gap)
                drain(0)
            drain(patience)
        return packets - len(received)


@pytest.fixture
def domain(places: Places) -> Domain:
    """A mobile node, its MAG, an LMA and a correspondent node in a row, with rules but without tunnels."""
    return Domain(places)


def test_a_cold_tunnel_loses_packets_and_a_warm_one_does_not(domain: Domain) -> None:
    domain.build()
    for _ in range(3):
        domain.forget_neighbours()
        assert domain.lost(20, gap=0, patience=0.5) > 0
        domain.forget_neighbours()
        assert warm_up(domain.mag.ovs, LMA.address, PATIENCE)
        assert warm_up(domain.lma.ovs, MAG.address, PATIENCE)
        assert domain.lost(200, gap=0.001) == 0


def test_warm_up_says_when_the_peer_is_not_there(domain: Domain) -> None:
    assert not warm_up(domain.mag.ovs, PROFILE.lma("lma2").address, 0.3)
    assert not warm_up(domain.mag.ovs, IPv6Address("2001:db8:ffff::1"), 0)


def test_neighbours_that_are_not_used_are_forgotten_and_warm_up_refreshes_them(domain: Domain) -> None:
    domain.build()
    ovs = domain.mag.ovs
    assert neighbour_lifetime(ovs) == 900
    ovs.appctl("tnl/neigh/aging", "2")

    def kept_by_use() -> bool:
        return warm_up(ovs, LMA.address, PATIENCE) and domain.lost(400, gap=0.01) == 0  # for twice the lifetime

    eventually(kept_by_use, "a neighbour that is used, on a machine that lets it be used")
    for _ in range(4):
        refreshed = time.monotonic()
        assert warm_up(ovs, LMA.address, PATIENCE)
        time.sleep(1)
        known = str(LMA.address) in ovs.appctl("tnl/neigh/show")
        assert known or time.monotonic() - refreshed > 2
    eventually(lambda: str(LMA.address) not in ovs.appctl("tnl/neigh/show"), "the end of the neighbour")
    eventually(lambda: warm_up(ovs, LMA.address, PATIENCE) and domain.lost(200, gap=0.001) == 0, "a warm tunnel")


def like_a_tunnel(kind: str, source: IPv6Address, destination: IPv6Address) -> bytes:
    """An IPv6 packet as tunnels of that kind have them."""
    inner = struct.pack("!IHBB", 6 << 28, 0, 59, 64) + IPv6Address("2001:db8:100::1").packed + IPv6Address(CN).packed
    if kind == "gre":
        protocol, payload = 47, struct.pack("!HH", 0, 0x86DD) + inner
    else:
        protocol, payload = 43, struct.pack("!BBBBBBH", 41, 2, 4, 0, 0, 0, 0) + destination.packed + inner
    return struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64) + source.packed + destination.packed + payload


def test_a_forged_packet_of_a_tunnel_turns_it_away_until_it_is_corrected(domain: Domain) -> None:
    domain.build()
    ovs = domain.mag.ovs
    eventually(lambda: warm_up(ovs, LMA.address, PATIENCE) and domain.lost(50, gap=0.001) == 0, "a warm tunnel")
    assert correct_neighbours(ovs) == {}
    target = bytes.fromhex(json.loads(domain.mag.ip("-json link show dev eth0"))[0]["address"].replace(":", ""))
    forged = (
        target + bytes.fromhex("02999999999986dd") + like_a_tunnel(encapsulation(ovs, "auto"), LMA.address, MAG.address)
    )
    with closing(within(domain.lma.name, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))) as stranger:
        stranger.sendto(forged, ("eth0", 0))
    eventually(lambda: "02:99:99:99:99:99" in ovs.appctl("tnl/neigh/show"), "the forger's success")
    assert domain.lost(20, gap=0.01, patience=0.5) == 20
    assert correct_neighbours(ovs) == {str(LMA.address): "02:99:99:99:99:99"}
    assert domain.lost(200, gap=0.001) == 0
    assert correct_neighbours(ovs) == {}


def test_a_switch_without_an_underlay_bridge_believes_nothing(places: Places) -> None:
    place = places("pos-a")
    place.ovs.start()
    assert correct_neighbours(place.ovs) == {}


def test_tunnels_are_made_corrected_listed_and_removed(domain: Domain) -> None:
    ovs = domain.mag.ovs
    kind = encapsulation(ovs, "auto")
    assert kind == ("srv6" if ovs.version() >= (3, 2, 0) else "gre")
    assert encapsulation(ovs, "gre") == "gre"
    assert tunnels(ovs) == []
    far = PROFILE.lma("lma2").address
    add_tunnel(ovs, "lma2", MAG.address, far, "gre")
    add_tunnel(ovs, "lma1", MAG.address, LMA.address, "gre")
    made = tunnels(ovs)
    assert [(tunnel.peer, tunnel.remote, tunnel.error) for tunnel in made] == [
        ("lma1", LMA.address, ""),
        ("lma2", far, ""),
    ]
    assert all(tunnel.local == MAG.address and tunnel.encapsulation == "gre" and tunnel.port > 0 for tunnel in made)
    add_tunnel(ovs, "lma1", MAG.address, LMA.address, "gre")
    assert tunnels(ovs) == made
    ovs.vsctl("set", "interface", "t-lma1", "options:remote_ip=fd00::bad", "options:csum=true")
    add_tunnel(ovs, "lma1", MAG.address, LMA.address, "gre")
    assert tunnels(ovs) == made
    assert "csum" not in ovs.vsctl("get", "interface", "t-lma1", "options")
    with pytest.raises(OvsSetupError, match=r"tunnel to lma3: .*File exists"):
        add_tunnel(ovs, "lma3", MAG.address, LMA.address, "gre")  # the same end points twice
    remove_tunnel(ovs, "lma3")
    remove_tunnel(ovs, "lma1")
    remove_tunnel(ovs, "lma1")
    assert [tunnel.peer for tunnel in tunnels(ovs)] == ["lma2"]


def test_srv6_is_refused_where_open_vswitch_lacks_it(domain: Domain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domain.mag.ovs, "version", lambda: (3, 1, 9))
    with pytest.raises(OvsSetupError, match=r"srv6 tunnels need Open vSwitch 3.2 .* here is 3.1.9"):
        encapsulation(domain.mag.ovs, "srv6")
    assert encapsulation(domain.mag.ovs, "auto") == "gre"
    monkeypatch.setattr(domain.mag.ovs, "version", lambda: (3, 2, 0))
    assert encapsulation(domain.mag.ovs, "srv6") == encapsulation(domain.mag.ovs, "auto") == "srv6"


def test_ipv4_stays_on_the_underlay_port_and_no_packet_comes_twice(host: Place, places: Places) -> None:
    places("pos-r")
    host.ip("link set eth0-x netns pos-r")
    sh("ip -n pos-r link set eth0-x up")
    sh("ip -n pos-r address add 192.0.2.2/24 dev eth0-x")
    sh("ip -n pos-r address add fd00:5213::99/64 dev eth0-x nodad")
    set_up(host.ovs, PROFILE, MAG, "netdev", "eth0")
    for address in ("192.0.2.1", str(MAG.address)):
        answer = sh(f"nsenter --net=/run/netns/pos-r ping -c 4 -i 0.1 -W 2 {address}")
        assert "4 received" in answer
        assert "DUP" not in answer
        assert "duplicates" not in answer


def test_command_line(host: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "OpenVSwitch", lambda: host.ovs)
    monkeypatch.setenv(PROFILE_VARIABLE, "two-lma")
    before = host.state()
    run = CliRunner().invoke
    assert run(command.main, ["mag", "mag1", "--underlay-port", "eth0"]).exit_code == 0
    assert set(host.ovs.vsctl("list-br").split()) == {"br-pm", "br-u"}
    assert run(command.main, ["mag", "mag1", "--undo"]).output == "mag1: undone\n"
    host.is_as(before)
    for arguments, message in (
        (["lma", "mag1", "--underlay-port", "eth0"], "no LMA is called 'mag1'; there are: lma1, lma2"),
        (["lma", "lma1"], "needs an underlay port"),
        (["lma", "lma1", "--profile", "nowhere"], "nowhere: there is no such file"),
        (["lma", "lma1", "--underlay-port", "eth9"], "there is no interface eth9"),
    ):
        result = run(command.main, arguments)
        assert result.exit_code != 0
        assert message in result.output
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "root must run this" in run(command.main, ["lma", "lma1", "--undo"]).output
