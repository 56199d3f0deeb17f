"""A lab's life: up, down, its processes, and moves of mobile nodes."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv6Address
from pathlib import Path

import psutil
from pyroute2 import NetlinkError

from ovs_setup import OvsSetupError
from ovs_setup.cgroup import CpuGroup
from ovs_setup.node import set_up
from ovs_setup.vswitch import OpenVSwitch
from ryu_pmipls.doctor.printing import lines
from ryu_pmipls.domain.profile import Lma, Mag, Profile, load_profile
from ryu_pmipls.lab import cleanup, examination, namespaces, processes
from ryu_pmipls.lab.cleanup import LabObjects, Progress, say_nothing
from ryu_pmipls.lab.daemons import Daemons
from ryu_pmipls.lab.lab_certificates import make_certificates, with_folder, write_profile
from ryu_pmipls.lab.lab_error import LabError, LabInputError
from ryu_pmipls.lab.lab_ipsec import LabIpsec
from ryu_pmipls.lab.lab_layout import RMS, UNDERLAY_PORT, AccessPort, cpu_group, plan, settings
from ryu_pmipls.lab.lab_links import LabLinks, LinkChange
from ryu_pmipls.lab.waiting import expect

#: The profile of a lab, in its directory.
_PROFILE_COPY = "profile.yaml"
#: Seconds within which an attached mobile node forms its address; an ordinary host takes three or four.
_ADDRESS_TIMEOUT = 30.0


@dataclass(frozen=True)
class SwitchNodeStatus:
    """A MAG or an LMA: process id of its agent (None: not running), and the state of its switch."""

    name: str
    role: str  # MAG or LMA
    agent: int | None
    switch: bool


@dataclass(frozen=True)
class MobileNodeStatus:
    """A mobile node: the access port it is attached to, and its global addresses."""

    name: str
    access_port: AccessPort | None
    addresses: tuple[IPv6Address, ...]


@dataclass(frozen=True)
class LabStatus:
    prefix: str
    directory: Path
    rms: int | None  # process id of the RMS that the lab started
    switches: tuple[SwitchNodeStatus, ...]
    mobile_nodes: tuple[MobileNodeStatus, ...]


class Lab:
    """The lab of a profile, up or not. Errors are ``LabError``; a wrong name's error gives the names there are.

    ``environment`` is added to what its daemons inherit.
    """

    def __init__(self, profile: Profile, profile_path: Path, environment: Mapping[str, str] | None = None) -> None:
        self.plan = plan(profile)
        self.network = LabLinks(self.plan)
        self.directory = cleanup.directory(self.plan.prefix)
        self.profile = profile = with_folder(profile, self.directory)
        self._profile_path = profile_path
        self._copy = self.directory / _PROFILE_COPY
        self._daemons = Daemons(profile, self.plan, self.directory, self._copy, environment or {})
        self.ipsec = LabIpsec(profile, self.plan, self.directory, self._daemons)

    @classmethod
    def find(cls, prefix: str | None = None) -> Lab:
        """The lab with that prefix, or the only one there is."""
        there = [name for name in cleanup.prefixes() if cleanup.recorded(name)]
        if not there:
            raise LabError("no lab is up; 'pmipls lab up' starts one")
        if prefix is None and len(there) > 1:
            raise LabInputError(f"several labs are up: name one with --prefix; allowed: {', '.join(there)}")
        if prefix is not None and prefix not in there:
            raise LabInputError(f"no lab has the prefix {prefix!r}; allowed: {', '.join(there)}")
        path = cleanup.directory(prefix or there[0]) / _PROFILE_COPY
        if not path.exists():
            raise LabError("setting up the lab was interrupted; 'pmipls lab down' removes what is left of it")
        return cls(load_profile(path), path)

    # --- life -------------------------------------------------------------------------------------------------

    def up(self, rms: bool = True, agents: bool = True, progress: Progress = say_nothing) -> None:
        """Create the lab; when that fails, remove all of it and raise the reason, with the doctor's findings."""
        if not self.running():  # else claiming the prefix will say so
            examination.require_fit_host(self.profile, self.plan, rms)
        cleanup.record(self.plan.prefix, self._objects())
        try:
            self._make(rms, agents, progress)
        except (LabError, OvsSetupError, NetlinkError, OSError) as failure:
            faults = self._faults()
            self.down()
            text = failure if isinstance(failure, LabError) else f"the lab could not be set up: {failure}"
            raise LabError("\n".join((str(text), *faults))) from failure
        except BaseException:
            self.down()
            raise

    def _make(self, rms: bool, agents: bool, progress: Progress) -> None:
        write_profile(self.profile, self._profile_path, self._copy)
        (self.directory / "log").mkdir()
        make_certificates(self.profile, self.directory)
        progress("namespaces and links")
        self.network.build()
        self.ipsec.protect_rms()
        child = self._daemons.launch_rms() if rms else None
        progress(f"Open vSwitch on {', '.join(self.plan.switches)}")
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(OpenVSwitch.start, self._openvswitches))
            if child is not None:
                # The RMS comes first: a switch that does not find it waits longer and longer before it tries again.
                progress("Route Management Server")
                self._daemons.await_listener(child)
            progress("bridges, ports, CPU quotas")
            list(pool.map(self._set_up_switch, self._switch_nodes))
        self.ipsec.protect_switches()
        progress("routing between core and LMAs")
        self._daemons.start_routing()
        if agents:
            progress("agents")
            self.start_agents()
        if child is not None:
            progress("switches find the Route Management Server")
            self._daemons.await_connections(child, self._openvswitches)

    def _faults(self) -> list[str]:
        """The doctor's findings about this host that are not ok, in lines."""
        faults = [finding for finding in examination.examine_host(self.profile, self.plan) if finding.fault]
        return ["the doctor's findings:", *lines(faults)] if faults else []

    @property
    def profile_path(self) -> Path:
        """The profile that the processes of a lab that is up read."""
        return self._copy

    def down(self, progress: Progress = say_nothing) -> None:
        """Remove the lab whatever state it is in; when there is none, do nothing."""
        cleanup.remove(self.plan.prefix, progress)
        self._daemons.reap()

    def running(self) -> bool:
        """True when the lab is up, or something is left of it."""
        return cleanup.recorded(self.plan.prefix)

    def status(self) -> LabStatus:
        self._require_running()
        attachments = self.network.attachments()
        return LabStatus(
            prefix=self.plan.prefix,
            directory=self.directory,
            rms=self._daemons.pid(RMS),
            switches=tuple(
                SwitchNodeStatus(node.name, role, self._daemons.pid(node.name), self.openvswitch(node.name).running())
                for role, nodes in (("MAG", self.profile.mags), ("LMA", self.profile.lmas))
                for node in nodes
            ),
            mobile_nodes=tuple(
                MobileNodeStatus(node, attachments.get(node), self.network.addresses(node))
                for node in self.plan.mobile_nodes
            ),
        )

    # --- processes --------------------------------------------------------------------------------------------

    def start_rms(self) -> None:
        """Start the RMS and return when all switches that run have found it.

        ``LabError`` if one runs already, or it ends.
        """
        self._require_running()
        if self._daemons.pid(RMS) is not None:
            raise LabError("the RMS is running already; 'pmipls lab rms stop' ends it")
        examination.require_fit_host(self.profile, self.plan, rms=True)
        child = self._daemons.launch_rms()
        self._daemons.await_listener(child)
        self._daemons.await_connections(child, self._openvswitches)

    def stop_rms(self) -> None:
        """End the RMS that the lab started, for another to take over."""
        self._require_running()
        self._daemons.stop(RMS)

    def start_agents(self) -> None:
        """Start the agents of all MAGs and LMAs that have none; ``LabError`` with its last words when one ends."""
        self._require_running()
        self._daemons.start_agents(node for node in self._switch_nodes if self._daemons.pid(node.name) is None)

    def start_agent(self, name: str) -> None:
        """Start the agent of one MAG or LMA."""
        self._require_running()
        self._daemons.start_agents([self._switch_node(name)])

    def stop_agent(self, name: str) -> None:
        """End the agent of one MAG or LMA; its switch goes on."""
        self._require_running()
        self._daemons.stop(self._switch_node(name).name)

    def start_switch(self, name: str) -> None:
        """Start the Open vSwitch of a MAG or an LMA that was stopped, or that died, and set it up again."""
        self._require_running()
        node = self._switch_node(name)
        self.openvswitch(name).start()
        self._set_up_switch(node)

    def stop_switch(self, name: str) -> None:
        """End the Open vSwitch of a MAG or an LMA; its agent goes on."""
        self._require_running()
        self.openvswitch(name).stop()

    @property
    def daemons(self) -> tuple[str, ...]:
        """The RMS (``rms``), the agents (``mag1``), and the routing daemons (``bird-lma1``)."""
        return self._daemons.names

    def kill(self, name: str) -> bool:
        """SIGKILL to one of ``daemons``; returns when it is gone, with its ports and locks; False if it did not run."""
        return self._daemons.kill(name)

    def ended(self, name: str) -> int | None:
        """Exit status of one of ``daemons`` that this object has started, negative for a signal; None while it runs."""
        return self._daemons.ended(name)

    def start_daemon(self, name: str) -> None:
        """Start one of ``daemons`` that has ended, as a supervisor does: without looking what becomes of it."""
        self._require_running()
        self._daemons.start(name)

    def process(self, name: str) -> psutil.Process | None:
        """The process of an agent, of a routing daemon (``bird-lma1``), or of the RMS (``rms``), when it runs."""
        return self._daemons.process(name)

    def log(self, name: str) -> Path:
        """The log of an agent, of a routing daemon (``bird-lma1``), or of the RMS (``rms``)."""
        return self._daemons.log(name)

    # --- nodes ------------------------------------------------------------------------------------------------

    def namespace(self, node: str) -> str:
        """The network namespace of a node."""
        return self.plan.namespace(node)

    def command(self, node: str, argv: list[str]) -> list[str]:
        """A command line that runs ``argv`` on a node."""
        self._require_running()
        return namespaces.command(self.namespace(node), argv)

    def execute(self, node: str, argv: list[str], timeout: float | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command on a node and wait for it; its output is in the result, whatever its exit status."""
        return subprocess.run(
            self.command(node, argv),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )

    def launch(self, node: str, argv: list[str], log: Path) -> subprocess.Popen[bytes]:
        """Start a command on a node in the background; it ends with the lab."""
        return processes.start(self._daemons.mark(f"{node}/{Path(argv[0]).name}"), argv, log, self.namespace(node))

    def openvswitch(self, node: str) -> OpenVSwitch:
        """The Open vSwitch of a MAG or an LMA."""
        name = self._switch_node(node).name
        return OpenVSwitch(self.directory / name, self.namespace(name))

    def address(self, mobile_node: str) -> IPv6Address:
        """A global address of a mobile node; ``LabError`` when it has formed none."""
        self._require_mobile_node(mobile_node)
        addresses = self.network.addresses(mobile_node)
        if not addresses:
            raise LabError(f"{mobile_node} has no global address; 'pmipls lab attach {mobile_node} MAG' gives it one")
        return addresses[0]

    def await_address(self, mobile_node: str) -> IPv6Address:
        """A global address of an attached mobile node, as soon as it has one; ``LabError`` after 30 s without."""
        mag = self._require_attached(mobile_node).mag
        addresses = expect(
            lambda: self.network.addresses(mobile_node),
            _ADDRESS_TIMEOUT,
            f"{mobile_node} is attached to {mag}, but has formed no address within {_ADDRESS_TIMEOUT:.0f} s; "
            f"'pmipls health' and {self.log(mag)} may show why",
        )
        return addresses[0]

    # --- the access network -----------------------------------------------------------------------------------

    def attach(self, mobile_node: str, mag: str) -> LinkChange:
        """Join a detached mobile node to a free access port of a MAG."""
        attached = self._attachment(mobile_node)
        if attached is not None:
            raise LabError(f"{mobile_node} is attached to {attached.mag}; 'pmipls lab handoff' moves it")
        return self.network.attach(mobile_node, self._free_port(mag))

    def detach(self, mobile_node: str) -> AccessPort:
        """Take a mobile node's link down; returns the access port it was attached to."""
        attached = self._require_attached(mobile_node)
        self.network.detach(mobile_node)
        return attached

    def handoff(self, mobile_node: str, mag: str) -> LinkChange:
        """Move an attached mobile node to another MAG: link down here, link up there, router solicitation."""
        attached = self._require_attached(mobile_node)
        if attached.mag == mag:
            raise LabError(f"{mobile_node} is attached to {mag} already")
        return self.network.attach(mobile_node, self._free_port(mag))

    def _attachment(self, mobile_node: str) -> AccessPort | None:
        self._require_running()
        self._require_mobile_node(mobile_node)
        return self.network.attachments().get(mobile_node)

    def _require_attached(self, mobile_node: str) -> AccessPort:
        attached = self._attachment(mobile_node)
        if attached is None:
            raise LabError(f"{mobile_node} is not attached; 'pmipls lab attach {mobile_node} MAG' attaches it")
        return attached

    def _free_port(self, mag: str) -> AccessPort:
        ports = [access for access in self.plan.access_ports if access.mag == mag]
        if not ports:
            raise LabInputError(
                f"no MAG is called {mag!r}; there are: {', '.join(node.name for node in self.profile.mags)}"
            )
        taken = self.network.attachments()
        free = [access for access in ports if access not in taken.values()]
        if not free:
            there = ", ".join(node for node, access in taken.items() if access in ports)
            raise LabError(f"all {len(ports)} access ports of {mag} are taken (by {there})")
        return free[0]

    # --- setting up -------------------------------------------------------------------------------------------

    def _objects(self) -> LabObjects:
        return LabObjects(
            namespaces=self.plan.namespaces,
            host_ports=(self.plan.host_port,),
            ipsec_address=str(self.profile.rms.address) if self.profile.signalling.ipsec else "",
            cpu_groups=tuple(cpu_group(self.plan.prefix, name) for name in settings(self.profile).lma_cpu),
        )

    def _set_up_switch(self, node: Mag | Lma) -> None:
        switch = self.openvswitch(node.name)
        set_up(switch, self.profile, node, "netdev", UNDERLAY_PORT)
        quota = settings(self.profile).lma_cpu.get(node.name)
        if quota is not None:
            # The quota comes only now, because it must not slow down the set-up.
            group = CpuGroup(cpu_group(self.plan.prefix, node.name))
            group.create(quota)
            group.add(switch.vswitchd_pid())

    @property
    def _openvswitches(self) -> list[OpenVSwitch]:
        return [self.openvswitch(name) for name in self.plan.switches]

    @property
    def _switch_nodes(self) -> tuple[Mag | Lma, ...]:
        return (*self.profile.lmas, *self.profile.mags)

    def _switch_node(self, name: str) -> Mag | Lma:
        for node in self._switch_nodes:
            if node.name == name:
                return node
        raise LabInputError(f"no MAG or LMA is called {name!r}; there are: {', '.join(self.plan.switches)}")

    def _require_mobile_node(self, name: str) -> None:
        if name not in self.plan.mobile_nodes:
            raise LabInputError(f"no mobile node is called {name!r}; there are: {', '.join(self.plan.mobile_nodes)}")

    def _require_running(self) -> None:
        if not self.running():
            raise LabError(f"the lab with prefix {self.plan.prefix!r} is not up; 'pmipls lab up' starts it")
