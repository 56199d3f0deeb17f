"""Gathering of facts about this host: files of the kernel, programs, sockets. The standard library alone.

Trials leave nothing behind. ``docs/doctor.md`` lists the facts and the reasons for them.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.util
import ipaddress
import json
import os
import platform
import re
import resource
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from ovs_setup import OvsSetupError
from ovs_setup.cgroup import CpuGroup
from ryu_pmipls.doctor.check import SWITCHES, HostRole
from ryu_pmipls.doctor.host_facts import (
    Directory,
    HostClock,
    HostFacts,
    ListeningPort,
    ProfileFacts,
    Program,
    Purpose,
    TakenPort,
    Version,
)
from ryu_pmipls.doctor.installation_checks import PROGRAMS

_TIMEOUT = 30  # seconds for one command
_NAMESPACES = Path("/run/netns")
_MOBILITY_HEADER = 135
_ADJTIMEX_SIZE = 256  # octets, more than struct timex has
_TIME_ERROR = 5  # the clock is not synchronised
_TIME_SERVICES = ("chronyd", "systemd-timesyn", "ntpd", "ntpsec", "openntpd", "ptp4l", "phc2sys")  # as /proc cuts them
# As in ryu_pmipls.domain.profile, which needs more than the standard library.
_PROFILE_VARIABLE, _HOST_PROFILE, _LAB_PROFILE = "PMIPLS_PROFILE", Path("/etc/pmipls/domain.yaml"), "two-lma"
_SHIPPED_PROFILES = Path(__file__).resolve().parents[1] / "topologies"

#: Trials of the kernel with ip(8), in this order, in a network namespace that goes with the commands.
_TRIALS = {
    "veth": "link add trial1 type veth peer name trial2",
    "bridge": "link add trial3 type bridge",
    "tun": "tuntap add dev trial4 mode tap",
    "ipv6": "-6 address add 2001:db8::1/64 dev trial1 nodad",
    "ipv6 multipath": "-6 route add 2001:db8:1::/64 nexthop via 2001:db8::2 nexthop via 2001:db8::3",
}


def host_facts(purpose: Purpose, profile: ProfileFacts | None = None) -> HostFacts:
    """All facts about this host, for its purpose; without ``profile`` with the profile that the environment names."""
    root = os.geteuid() == 0
    return HostFacts(
        purpose=purpose,
        root=root,
        distribution=_distribution(),
        kernel=platform.release(),
        python=sys.version_info[:3],
        python_path=sys.executable,
        ensurepip=importlib.util.find_spec("ensurepip") is not None,
        ryu=_package("ryu") if _package("ryu-pmipls") else None,
        eventlet=_package("eventlet"),
        programs={name: _program(name) for name, (_, roles) in PROGRAMS.items() if purpose.role in roles},
        openvswitch=_program_version("ovs-vswitchd"),
        bird=_program_version("bird"),
        ipv6=_ipv6(),
        kernel_faults=_kernel_faults() if root and purpose.role in SWITCHES | {HostRole.LAB} else None,
        cpu_groups=_cpu_groups() if root else None,
        raw_socket=_raw_socket(),
        clock=_clock(),
        taken_ports=taken_ports(purpose.listening_ports),
        state_directory=_directory(Path(purpose.state_directory)),
        open_files=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        profile=profile or _named_profile(),
        firewall=_firewall() if root else None,
        foreign_namespaces=tuple(name for name in purpose.namespaces if (_NAMESPACES / name).exists()),
        foreign_addresses=_addresses_in(purpose.subnet) if purpose.subnet else (),
    )


def _run(*argv: str) -> tuple[int, str, str]:
    """Exit status, output and errors of a command; -1 and the reason when it cannot be run."""
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT,
            env={**os.environ, "LC_ALL": "C"},
            check=False,
        )
    except subprocess.TimeoutExpired:
        return -1, "", f"no answer within {_TIMEOUT} s"
    except OSError as error:
        return -1, "", f"{argv[0]}: {error.strerror}"
    return done.returncode, done.stdout, done.stderr.strip()


# Versions and programs.


def _distribution() -> str:
    entries = dict(line.partition("=")[::2] for line in _text(Path("/etc/os-release")).splitlines())
    return " ".join(entries.get(key, "").strip('"') for key in ("ID", "VERSION_ID")).strip() or "unknown"


def _package(name: str) -> str:
    """Version of an installed Python package, "" when there is none."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _program(name: str) -> Program:
    """Place of a program: where the shell finds a typed command, or elsewhere."""
    typed = shutil.which(name, path=_path_at_start())
    if typed is not None:
        return Program(path=typed)
    hidden = shutil.which(name)
    return Program(elsewhere="" if hidden is None else str(Path(hidden).parent))


def _path_at_start() -> str:
    """``PATH`` as this process got it: our own finds more (``ovs_setup.programs``)."""
    entries = _text(Path("/proc/self/environ")).split("\0")
    return next((entry[len("PATH=") :] for entry in entries if entry.startswith("PATH=")), os.defpath)


def _program_version(name: str) -> Version | None:
    _, output, errors = _run(name, "--version")
    match = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", output or errors)
    return None if match is None else tuple(int(number) for number in match.groups() if number is not None)


# The kernel.


def _ipv6() -> bool:
    return _text(Path("/proc/sys/net/ipv6/conf/all/disable_ipv6")).strip() == "0"


def _kernel_faults() -> dict[str, str] | None:
    """Each of :data:`_TRIALS` with the reason for its failure, "" for success; ``None`` when that cannot be told."""
    script = "".join(
        f'echo "{part}:$(ip {trial} 2>&1 | head -n 1)"\nip link set trial1 up 2>/dev/null\n'
        for part, trial in _TRIALS.items()
    )
    if shutil.which("ip") is None:
        return None
    status, output, errors = _run("unshare", "--net", "--", "sh", "-c", script + "exit 0")
    if status < 0:
        return None
    if status:
        return {"network namespaces": errors or f"exit status {status}"}
    return dict(line.partition(":")[::2] for line in output.splitlines())


def _cpu_groups() -> str:
    """Reason that a CPU group cannot be made and limited; "" when it can."""
    try:
        group = CpuGroup(f"pmipls-doctor-{os.getpid()}")
        try:
            group.create(0.5)
        finally:
            group.remove()
    except OvsSetupError as error:
        return str(error)
    return ""


def _raw_socket() -> str:
    try:
        socket.socket(socket.AF_INET6, socket.SOCK_RAW, _MOBILITY_HEADER).close()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _clock() -> HostClock | None:
    # adjtimex(2) only reads with modes 0, that is, with all octets of struct timex 0.
    state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_ADJTIMEX_SIZE))
    if state < 0:
        return None
    names = {_text(entry / "comm").strip() for entry in _processes()}
    services = tuple(
        "systemd-timesyncd" if name == "systemd-timesyn" else name for name in _TIME_SERVICES if name in names
    )
    return HostClock(state != _TIME_ERROR, services)


def _firewall() -> tuple[str, ...] | None:
    """The chains with the hook input and the policy drop; none where there is no nft."""
    if shutil.which("nft") is None:
        return ()
    status, output, _ = _run("nft", "--json", "list", "chains")
    if status:
        return None
    try:
        chains = [entry["chain"] for entry in json.loads(output)["nftables"] if "chain" in entry]
    except (ValueError, KeyError, TypeError):
        return None
    return tuple(
        f"{chain['family']} {chain['table']} {chain['name']}"
        for chain in chains
        if chain.get("hook") == "input" and chain.get("policy") == "drop" and chain["family"] != "ip"
    )


# Ports and addresses.


def taken_ports(wanted: Iterable[ListeningPort]) -> tuple[TakenPort, ...]:
    """The wanted ports on which a server cannot listen now."""
    taken = []
    for port in wanted:
        family = socket.AF_INET6 if ":" in port.host else socket.AF_INET
        try:
            with socket.socket(family, socket.SOCK_STREAM) as listener:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind((port.host, port.port))
                listener.listen()
        except OSError as error:
            taken.append(TakenPort(port, error.strerror or str(error), *_holder(port.port)))
    return tuple(taken)


def _holder(port: int) -> tuple[str, int]:
    """Name and id of the process that listens on a TCP port in this network namespace; "" and 0 if unknown."""
    inodes = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    for entry in _processes():
        try:
            if any(str(descriptor.readlink()) in inodes for descriptor in (entry / "fd").iterdir()):
                return _text(entry / "comm").strip(), int(entry.name)
        except OSError:  # another user's, or it has ended
            continue
    return "", 0


def _listening_inodes(port: int) -> set[str]:
    inodes = set()
    for table in ("tcp", "tcp6"):
        for row in _text(Path("/proc/self/net") / table).splitlines()[1:]:
            _, local, _, state, *rest = row.split()
            if state == "0A" and int(local.rpartition(":")[2], 16) == port:
                inodes.add(rest[5])
    return inodes


def _addresses_in(subnet: str) -> tuple[str, ...]:
    """The host's IPv6 addresses in a prefix, each with its interface."""
    network = ipaddress.IPv6Network(subnet)
    found = []
    for row in _text(Path("/proc/self/net/if_inet6")).splitlines():
        digits, *_, interface = row.split()
        address = ipaddress.IPv6Address(int(digits, 16))
        if address in network:
            found.append(f"interface {interface} has {address}")
    return tuple(found)


# Files.


def _directory(path: Path) -> Directory:
    while not path.is_dir() and path != path.parent:
        path = path.parent
    try:
        free = shutil.disk_usage(path).free
    except OSError:
        free = 0
    return Directory(str(path), os.access(path, os.W_OK | os.X_OK), free)


def _named_profile(environment: Mapping[str, str] = os.environ) -> ProfileFacts:
    """The profile that the environment names, as far as the standard library can judge it."""
    name = environment.get(_PROFILE_VARIABLE, "")
    if not name:
        return ProfileFacts(str(_HOST_PROFILE) if _HOST_PROFILE.exists() else _LAB_PROFILE, "the default")
    there = Path(name).is_file() or (_SHIPPED_PROFILES / f"{name}.yaml").is_file()
    fault = "" if there else f"${_PROFILE_VARIABLE}: {name}: there is no such file"
    return ProfileFacts(name, f"${_PROFILE_VARIABLE}", fault)


def _processes() -> list[Path]:
    return [entry for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
