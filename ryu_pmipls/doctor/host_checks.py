"""The checks of a host by itself. Pure; the standard library alone."""

from __future__ import annotations

from ryu_pmipls.doctor.check import AS_ROOT, HOSTS, SWITCHES, Check, HostRole, Verdict, ok, unknown, warning, wrong
from ryu_pmipls.doctor.host_facts import HostFacts
from ryu_pmipls.doctor.installation_checks import INSTALLATION_CHECKS, install

#: Name of the RMS's process.
_RMS_PROCESS = "ryu-manager"
_LEAST_FREE = 50 * 2**20  # octets for state, logs and captures
_FILES = 256  # of a process by itself; and for each node:
_FILES_PER_NODE = 4

_LAB, _SWITCH_OR_LAB, _DAEMONS = frozenset({HostRole.LAB}), SWITCHES | {HostRole.LAB}, HOSTS - {HostRole.LAB}


def _ipv6(facts: HostFacts) -> Verdict:
    if not facts.ipv6:
        return wrong("IPv6 is disabled", "sysctl -w net.ipv6.conf.all.disable_ipv6=0   # or without ipv6.disable=1")
    return ok("enabled")


def _kernel_parts(facts: HostFacts) -> Verdict:
    if not facts.root:
        return unknown("only root can try", AS_ROOT)
    if facts.kernel_faults is None:
        return unknown("could not be tried: the program ip is missing, or nothing answers", install(["iproute2"]))
    failed = {part: reason for part, reason in facts.kernel_faults.items() if reason}
    if failed:
        modules = dict.fromkeys(part.split()[0] for part in failed)
        return wrong(
            "; ".join(f"{part}: {reason}" for part, reason in failed.items()), f"modprobe -a {' '.join(modules)}"
        )
    return ok(f"tried: {', '.join(facts.kernel_faults)}")


def _cpu_groups(facts: HostFacts) -> Verdict:
    if not facts.purpose.cpu_quotas:
        return ok("not needed: the profile has no lab.lma_cpu")
    if facts.cpu_groups is None:
        return unknown("only root can try", AS_ROOT)
    if facts.cpu_groups:
        return wrong(facts.cpu_groups, "grep cgroup /proc/mounts   # cpu has to be mounted, and writable here")
    return ok("a CPU quota can be set")


def _raw_socket(facts: HostFacts) -> Verdict:
    if not facts.purpose.raw_signalling:
        return ok("not needed: this node speaks UDP")
    if facts.raw_socket:
        return wrong(
            f"protocol 135 cannot be opened: {facts.raw_socket}",
            "sudo -s   # or CAP_NET_RAW; or in the profile signalling.transport: udp",
        )
    return ok("protocol 135 can be opened")


def _clock(facts: HostFacts) -> Verdict:
    if facts.clock is None:
        return unknown("the kernel does not tell", "timedatectl")
    services = " and ".join(facts.clock.services)
    if facts.clock.synchronised:
        return ok(f"synchronised{f' by {services}' if services else ''}")
    if services:
        return warning(f"not synchronised, though {services} runs", "timedatectl timesync-status || chronyc tracking")
    return warning("not synchronised, and no time service runs", install(["chrony"]))


def _ports(facts: HostFacts) -> Verdict:
    wanted = facts.purpose.listening_ports
    if not facts.taken_ports:
        return ok(f"free: {', '.join(str(port.port) for port in wanted) or 'none is needed'}")
    if facts.purpose.rms_may_run and {port.holder for port in facts.taken_ports} == {_RMS_PROCESS}:
        return ok(f"an RMS listens: process {facts.taken_ports[0].process}")
    taken = [
        f"{port.wanted} cannot be listened on: {port.error}"
        + (f", {port.holder} (process {port.process}) listens" if port.holder else "")
        for port in facts.taken_ports
    ]
    numbers = "|".join(str(port.wanted.port) for port in facts.taken_ports)
    return wrong("; ".join(taken), f"ss -ltnp | grep -E ':({numbers}) '   # end what uses it, or change the profile")


def _state_directory(facts: HostFacts) -> Verdict:
    directory = facts.state_directory
    free = f"{directory.free // 2**20} MB free"
    if not directory.writable:
        return wrong(f"{directory.path} cannot be written", f"sudo -s   # or chown $USER {directory.path}")
    if directory.free < _LEAST_FREE:
        return wrong(f"{directory.path}: only {free}, {_LEAST_FREE // 2**20} are needed", f"df -h {directory.path}")
    return ok(f"{directory.path}: writable, {free}")


def _open_files(facts: HostFacts) -> Verdict:
    needed = _FILES + _FILES_PER_NODE * facts.purpose.nodes
    if facts.open_files < needed:
        return warning(f"a process may open {facts.open_files} files; {needed} are needed", f"ulimit -n {needed}")
    return ok(f"a process may open {facts.open_files}")


def _keys(facts: HostFacts) -> Verdict:
    path, fault = facts.purpose.keys, facts.purpose.keys_fault
    if fault:
        return wrong(fault, f"(umask 077; pmipls keys > {path})   # once: the same keys on all nodes")
    return ok(f"{path}: a key for each peer" if path else "not used: signalling.keys is null")


def _ipsec(facts: HostFacts) -> Verdict:
    node, fault = facts.purpose.ipsec_node, facts.purpose.ipsec_fault
    if fault and not facts.root:
        return unknown("only root can look", AS_ROOT)
    if fault:
        return wrong(fault, f"python -m ovs_setup.ipsec {node}")
    return ok("signalling goes by it, and no other way" if node else "not used: signalling.protection does not name it")


def _service(facts: HostFacts) -> Verdict:
    service = facts.purpose.service
    if service is None:
        return ok("not needed")
    set_up = f"python -m ovs_setup.service {service.node}"
    if not service.there:
        return warning(f"there is no user {service.user}: {service.node} has the rights of whoever starts it", set_up)
    if not facts.root:
        return unknown("only root can look", AS_ROOT)
    if service.faults:
        return wrong("; ".join(service.faults), set_up)
    return ok(f"{service.node} runs as {service.user}")


def _firewall(facts: HostFacts) -> Verdict:
    if facts.firewall is None:
        return unknown("the rules cannot be listed", AS_ROOT)
    if facts.firewall:
        return warning(
            f"drops by default what comes in: {', '.join(facts.firewall)}",
            "nft list ruleset   # protocol 135, or UDP 5436, has to come in; at the RMS TCP 6653",
        )
    return ok("nothing is dropped by default")


def _lab_names(facts: HostFacts) -> Verdict:
    names = facts.foreign_namespaces
    if names:
        return wrong(
            f"there is a network namespace {', '.join(names)} that is not this lab's", f"ip netns delete {names[0]}"
        )
    return _free_for_lab(facts, bool(facts.purpose.namespaces))


def _lab_subnet(facts: HostFacts) -> Verdict:
    if facts.foreign_addresses:
        return wrong(
            f"rms.address: {facts.purpose.subnet} is in use on this host ({', '.join(facts.foreign_addresses)})",
            "pmipls lab down   # if it is a lab's; or give this lab another rms.address and subnet",
        )
    return _free_for_lab(facts, bool(facts.purpose.subnet))


def _free_for_lab(facts: HostFacts, known: bool) -> Verdict:
    if facts.purpose.rms_may_run:
        return ok("the lab is up")
    return ok("free") if known else unknown("which are needed is not known without a profile", "pmipls doctor")


#: All checks of a host, in the order in which they are shown.
HOST_CHECKS: tuple[Check[HostFacts], ...] = (
    *INSTALLATION_CHECKS,
    Check(
        "IPv6",
        HOSTS,
        "whether the kernel speaks IPv6",
        "Everything here is IPv6.",
        "`sysctl -w net.ipv6.conf.all.disable_ipv6=0`; no `ipv6.disable=1` at boot",
        _ipv6,
    ),
    Check(
        "kernel parts",
        _SWITCH_OR_LAB,
        "veth pairs, bridges, TUN and TAP, multipath routes: tried in a network namespace that goes at once",
        "Links of a lab are veth pairs, a userspace switch has TAP interfaces, the core has multipath routes.",
        "`modprobe -a veth bridge tun`; in a container, on its host",
        _kernel_parts,
    ),
    Check(
        "control groups",
        _LAB,
        "whether a group with a CPU quota can be made: one is, and removed",
        "The capacity of a lab's LMA is a CPU quota (`lab.lma_cpu`). Containers often have no `cpu` controller.",
        "mount the `cpu` controller, writable; or a profile without `lab.lma_cpu`",
        _cpu_groups,
    ),
    Check(
        "raw sockets",
        HOSTS,
        "whether a socket for protocol 135 can be opened",
        "Mobility Headers are IPv6 extension headers (RFC 6275); without the privilege there is UDP.",
        "run as root or with CAP_NET_RAW; or `signalling.transport: udp`",
        _raw_socket,
    ),
    Check(
        "clock",
        _DAEMONS,
        "whether the kernel's clock is synchronised (adjtimex), and which time service runs",
        "An LMA refuses a PBU that is more than 300 ms off its clock; with keys, a message that is 7 s off.",
        "`apt-get install chrony`, and servers that it reaches",
        _clock,
    ),
    Check(
        "TCP ports",
        frozenset({HostRole.RMS, HostRole.LAB}),
        "whether the RMS can listen for switches and REST; the process that has the port, if not",
        "Two RMS on a host, or another server on 8080, keep each other out.",
        "end the process that is named; or `rms.openflow` and `rms.rest` in the profile",
        _ports,
    ),
    Check(
        "state directory",
        HOSTS,
        "the directory for what must outlive a restart, or the nearest one above it: writable, 50 MB free",
        "An RMS that cannot store acknowledges nothing.",
        "make room, or the directory writable",
        _state_directory,
    ),
    Check(
        "open files",
        HOSTS,
        "the limit of open files of a process, against 256 and 4 for each node of the domain",
        "Each switch and each REST client is an open file of the RMS.",
        "`ulimit -n NUMBER`; with systemd `LimitNOFILE=`",
        _open_files,
    ),
    Check(
        "keys",
        _DAEMONS,
        "the file that `signalling.keys` names: there, readable, not for others, a key for each peer",
        "With a key missing the nodes do not understand each other; a process refuses a faulty file.",
        "`pmipls keys`, and `chmod o=` for the file",
        _keys,
    ),
    Check(
        "IPsec",
        _DAEMONS,
        "rules that drop clear signalling, and strongSwan with a connection for each peer, if the profile wants IPsec",
        "RMS and agents do not start without.",
        "`python -m ovs_setup.ipsec NODE`",
        _ipsec,
    ),
    Check(
        "service",
        _DAEMONS,
        "user and unit of the node's process, owner and mode of its state, keys and certificate, and whether it may "
        "use the sockets of Open vSwitch and strongSwan",
        "As root a process that is taken over has the host; as a service it has what its unit says.",
        "`python -m ovs_setup.service NODE`",
        _service,
    ),
    Check(
        "firewall",
        _DAEMONS,
        "nftables chains for what comes in with the policy drop",
        "A rule has to let in protocol 135 (or UDP), at the RMS OpenFlow, at an LMA BGP and BFD.",
        "`nft add rule` for these, on that chain",
        _firewall,
    ),
    Check(
        "namespaces of the lab",
        _LAB,
        "network namespaces of the names that the lab gives to its nodes",
        "A lab never touches what is not its own.",
        "`ip netns delete`, or another `lab.prefix`",
        _lab_names,
    ),
    Check(
        "subnet of the lab",
        _LAB,
        "addresses of this host in the subnet of `rms.address`",
        "Two labs with one subnet would get each other's packets.",
        "`pmipls lab down` for the other lab, or another `rms.address`",
        _lab_subnet,
    ),
)
