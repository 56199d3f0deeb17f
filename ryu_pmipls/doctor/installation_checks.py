"""The checks of installed software on a host. Pure; the standard library alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ryu_pmipls.doctor.check import HOSTS, SWITCHES, Check, HostRole, Verdict, ok, unknown, warning, wrong
from ryu_pmipls.doctor.host_facts import HostFacts, Version
from ryu_pmipls.domain.tunnel_kinds import TUNNEL_KINDS

_SUPPORTED_PYTHON = ((3, 10), (3, 13))
_SUPPORTED_DISTRIBUTIONS = {"debian 12": "Debian 12", "debian 13": "Debian 13", "ubuntu 24.04": "Ubuntu 24.04"}
_TESTED_OPENVSWITCH = ((3, 1), (3, 5))
_OLDEST_OPENVSWITCH = (2, 17)
_RYU = "4.34"
#: First kernel that lets the set-up enlarge the buffers of Open vSwitch (pidfd_getfd).
_KERNEL = (5, 6)

_LAB, _SWITCH_OR_LAB = frozenset({HostRole.LAB}), SWITCHES | {HostRole.LAB}

#: Programs in use: Debian's package, and the roles that need it.
PROGRAMS: Mapping[str, tuple[str, frozenset[HostRole]]] = {
    "ip": ("iproute2", _SWITCH_OR_LAB),
    "sysctl": ("procps", _SWITCH_OR_LAB),
    "ethtool": ("ethtool", _SWITCH_OR_LAB),
    "nft": ("nftables", _SWITCH_OR_LAB),
    "ping": ("iputils-ping", _SWITCH_OR_LAB),
    "setfacl": ("acl", SWITCHES),
    "nsenter": ("util-linux", _LAB),
    "ovsdb-server": ("openvswitch-switch", _SWITCH_OR_LAB),
    "ovs-vswitchd": ("openvswitch-switch", _SWITCH_OR_LAB),
    "ovs-vsctl": ("openvswitch-switch", _SWITCH_OR_LAB),
    "ovs-ofctl": ("openvswitch-switch", _SWITCH_OR_LAB),
    "bird": ("bird2", frozenset({HostRole.LAB, HostRole.LMA})),
    "iperf3": ("iperf3", _LAB),
    "tcpdump": ("tcpdump", _LAB),
    "tshark": ("tshark", _LAB),
}
#: Programs without which only `pmipls demo` and the tests fail.
_OF_THE_DEMO = ("tcpdump", "tshark")


def _version(numbers: Version) -> str:
    return ".".join(map(str, numbers))


def install(packages: Iterable[str]) -> str:
    """The command that installs Debian packages."""
    return f"apt-get install -y --no-install-recommends {' '.join(dict.fromkeys(packages))}"


def _profile(facts: HostFacts) -> Verdict:
    profile = facts.profile
    if profile.fault:
        return wrong(profile.fault, f"pmipls check --profile {profile.name}")
    return ok(f"{profile.name} ({profile.origin})")


def _distribution(facts: HostFacts) -> Verdict:
    name = _SUPPORTED_DISTRIBUTIONS.get(facts.distribution)
    if name is None:
        supported = ", ".join(_SUPPORTED_DISTRIBUTIONS.values())
        return warning(f"{facts.distribution} is not supported; {supported} are", "./run tests")
    return ok(name)


def _kernel(facts: HostFacts) -> Verdict:
    numbers = tuple(int(number) for number in facts.kernel.split("-")[0].split(".")[:2] if number.isdigit())
    if numbers < _KERNEL:
        return warning(
            f"Linux {facts.kernel} is older than {_version(_KERNEL)}: Open vSwitch keeps small receive buffers",
            "apt-get install -y linux-image-amd64   # and restart",
        )
    return ok(f"Linux {facts.kernel}")


def _python(facts: HostFacts) -> Verdict:
    oldest, newest = _SUPPORTED_PYTHON
    found = f"{_version(facts.python)} ({facts.python_path})"
    if not oldest <= facts.python[:2] <= newest:
        return wrong(
            f"{found}; {_version(oldest)} to {_version(newest)} are supported", "PYTHON=/path/to/python3.11 ./run setup"
        )
    if not facts.ensurepip:
        return warning(f"{found} cannot make virtual environments: no ensurepip", install(["python3-venv"]))
    return ok(found)


def _ryu(facts: HostFacts) -> Verdict:
    if not facts.purpose.listening_ports:
        return ok("not needed: no RMS is to run here")
    if facts.ryu is None:
        return unknown(f"ryu_pmipls is not installed in {facts.python_path}", "./run setup")
    if not facts.ryu:
        return wrong(f"Ryu is not installed in {facts.python_path}; the RMS needs it", "./run setup")
    if facts.ryu != _RYU:
        return warning(f"Ryu {facts.ryu} is not tested; {_RYU} is", "./run setup")
    if not facts.eventlet:
        return wrong("eventlet is not installed; Ryu needs it", "./run setup")
    return ok(f"Ryu {facts.ryu}, eventlet {facts.eventlet}")


def _privileges(facts: HostFacts) -> Verdict:
    if facts.root:
        return ok("root")
    if facts.purpose.role is HostRole.RMS:
        return ok("an ordinary user; the RMS needs no more, but for raw sockets")
    return wrong("not root: cannot make network namespaces, bridges and CPU groups", "sudo -s")


def _programs(facts: HostFacts) -> Verdict:
    missing = [name for name, program in facts.programs.items() if not (program.path or program.elsewhere)]
    if not missing:
        return ok(f"all {len(facts.programs)} installed")
    say = wrong if set(missing) - {*_OF_THE_DEMO} else warning
    return say(f"not installed: {', '.join(missing)}", install(PROGRAMS[name][0] for name in missing))


def _path(facts: HostFacts) -> Verdict:
    hidden = {name: program.elsewhere for name, program in facts.programs.items() if program.elsewhere}
    if not hidden:
        return ok("has the directories of all programs")
    directories = list(dict.fromkeys(hidden.values()))
    return warning(
        f"lacks {', '.join(directories)}: pmipls looks there, but commands that you type are not found: "
        f"{', '.join(hidden)}",
        f"export PATH=$PATH:{':'.join(directories)}",
    )


def _openvswitch(facts: HostFacts) -> Verdict:
    found = facts.openvswitch
    if found is None:
        return unknown("no version: ovs-vswitchd cannot be run", "ovs-vswitchd --version")
    tunnels = " and ".join(name for name, kind in TUNNEL_KINDS.items() if kind.offered(found, userspace=True))
    text = f"{_version(found)}; tunnels: {tunnels}"
    oldest, newest = _TESTED_OPENVSWITCH
    if found < _OLDEST_OPENVSWITCH:
        return wrong(f"{text}; {_version(_OLDEST_OPENVSWITCH)} is needed", install(["openvswitch-switch"]))
    if not oldest <= found[:2] <= newest:
        return warning(f"{text}; {_version(oldest)} to {_version(newest)} are tested", "./run tests")
    return ok(text)


def _bird(facts: HostFacts) -> Verdict:
    if facts.bird is None:
        return unknown("no version: bird cannot be run", "bird --version")
    if facts.bird[0] != 2:
        return warning(f"{_version(facts.bird)} is not tested; 2 is", install(["bird2"]))
    return ok(_version(facts.bird))


#: Checks of installed software, in the order in which they are shown.
INSTALLATION_CHECKS: tuple[Check[HostFacts], ...] = (
    Check(
        "profile",
        HOSTS,
        "the profile that applies: `$PMIPLS_PROFILE`, else `/etc/pmipls/domain.yaml`, else the default lab's",
        "Every process of the domain reads it; all hosts need the same one.",
        "`pmipls check --profile PROFILE` tells all that is wrong with it",
        _profile,
    ),
    Check(
        "distribution",
        HOSTS,
        "`/etc/os-release`",
        "Set-up and tests are run on these; elsewhere packages have other names and versions.",
        "`./run tests` tells whether it works there",
        _distribution,
    ),
    Check(
        "kernel",
        HOSTS,
        "the version of Linux",
        "Before 5.6 set-up cannot enlarge Open vSwitch's receive buffers, and a busy switch drops frames.",
        "a newer kernel, from 5.6 on",
        _kernel,
    ),
    Check(
        "Python",
        HOSTS,
        "the version of the Python that runs the check, and whether it can make virtual environments",
        "Ryu and its dependencies run on these versions; Debian has ensurepip in a package of its own.",
        "`PYTHON=/path/to/python3.11 ./run setup`; `apt-get install python3-venv`",
        _python,
    ),
    Check(
        "Ryu",
        frozenset({HostRole.RMS, HostRole.LAB}),
        "whether Ryu and eventlet are installed beside the project",
        "The RMS is a Ryu application; Ryu 4.34 builds only with an old setuptools, which `./run setup` sees to.",
        "`./run setup`",
        _ryu,
    ),
    Check(
        "privileges",
        HOSTS,
        "whether root runs the check",
        "Namespaces, bridges and CPU groups are root's to make.",
        "`sudo -s`",
        _privileges,
    ),
    Check(
        "programs",
        _SWITCH_OR_LAB,
        "the programs that are run, in `PATH` and in the directories for administrators",
        "Each belongs to a Debian package; `tcpdump` and `tshark` are for the demo and the tests only.",
        "`apt-get install` of the packages that are named",
        _programs,
    ),
    Check(
        "PATH",
        _SWITCH_OR_LAB,
        "programs that are installed, but in no directory of the `PATH` with which the command was typed",
        "`su` without `-` keeps a `PATH` without `/usr/sbin`. `pmipls` looks there by itself; a shell does not.",
        "`export PATH=$PATH:/usr/sbin`, or `su -`",
        _path,
    ),
    Check(
        "Open vSwitch",
        _SWITCH_OR_LAB,
        "the version of `ovs-vswitchd`, and which tunnels it can make",
        "Tested from 3.1 to 3.5; SRv6 tunnels need 3.2.",
        "the distribution's `openvswitch-switch`",
        _openvswitch,
    ),
    Check(
        "bird",
        frozenset({HostRole.LAB, HostRole.LMA}),
        "the version of the routing daemon",
        "LMAs tell the core network by BGP which prefixes they take; the configuration is one of bird 2.",
        "the distribution's `bird2`",
        _bird,
    ),
)
