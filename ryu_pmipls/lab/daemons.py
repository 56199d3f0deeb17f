"""The daemons of a lab: the RMS (``rms``), an agent on each MAG and LMA (``mag1``), bird (``bird-lma1``).

With IPsec strongSwan on all nodes, too (``charon-mag1``).
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from ovs_setup.bird import core_configuration, lma_configuration
from ovs_setup.ipsec.files import DaemonFiles
from ovs_setup.ipsec.set_up import unconfined
from ovs_setup.node import hasten_reconnection
from ovs_setup.vswitch import OpenVSwitch
from ryu_pmipls.domain.profile import PROFILE_VARIABLE, Lma, Mag, Profile
from ryu_pmipls.ipsec.charon import VICI_VARIABLE
from ryu_pmipls.lab import processes
from ryu_pmipls.lab.lab_error import LabError
from ryu_pmipls.lab.lab_layout import RMS, LabLayout, cpu_group, settings

_RMS_TIMEOUT = 60.0  # seconds until the RMS listens, and then until all switches are connected
_SETTLING = 0.5  # seconds for which a process must live to count as started
_DEATH = 15.0  # seconds from SIGKILL to the end of a process that its quota keeps waiting
#: Prefix of the names of routing daemons.
_BIRD = "bird-"
#: Prefix of the names of strongSwan's daemons.
CHARON = "charon-"


class Daemons:
    """Starts, finds and ends daemons by name. ``LabError`` with its last words when one ends early.

    ``environment`` is added to what they inherit.
    """

    def __init__(
        self, profile: Profile, plan: LabLayout, directory: Path, profile_path: Path, environment: Mapping[str, str]
    ) -> None:
        self._profile = profile
        self._plan = plan
        self._directory = directory
        self._profile_path = profile_path
        self._environment = {PROFILE_VARIABLE: str(profile_path), **environment}
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def process(self, name: str) -> psutil.Process | None:
        """The process of a daemon, when it runs.

        One that was started from here runs until its last thread has ended: until then its ports and locks are taken,
        though the mark of a dying process cannot be read any more.
        """
        child = self._children.get(name)
        if child is not None and child.poll() is None:
            with suppress(psutil.NoSuchProcess):
                return psutil.Process(child.pid)
        return processes.find(self.mark(name))

    def pid(self, name: str) -> int | None:
        process = self.process(name)
        return None if process is None else process.pid

    def log(self, name: str) -> Path:
        """The log of a daemon."""
        return self._directory / "log" / f"{name}.log"

    def mark(self, name: str) -> str:
        """Mark of a process of the lab, in its environment."""
        return f"{self._plan.prefix}:{name}"

    def stop(self, name: str) -> None:
        """End a daemon, if it runs."""
        process = self.process(name)
        if process is not None:
            processes.stop([process])
        self.reap()

    def kill(self, name: str) -> bool:
        """SIGKILL to a daemon; returns when its last thread is gone: only then are its ports and locks free.

        False when it does not run. ``LabError`` when it does not end within 15 s.
        """
        child = self._children.get(name)
        own = child is not None and child.poll() is None
        process = child if own else processes.find(self.mark(name))
        if process is None:
            return False
        try:
            process.kill()
            process.wait(_DEATH)
        except psutil.NoSuchProcess:
            return False
        except (subprocess.TimeoutExpired, psutil.TimeoutExpired):
            raise LabError(f"{name} does not end within {_DEATH:.0f} s of SIGKILL") from None
        return True

    def ended(self, name: str) -> int | None:
        """Exit status of a daemon that was started from here, negative for a signal; None while it runs."""
        return self._children[name].poll()

    def reap(self) -> None:
        """Reap the daemons that have ended."""
        for child in self._children.values():
            child.poll()

    def start(self, name: str) -> None:
        """Start a daemon that has ended, as a supervisor does: without looking what becomes of it."""
        if name == RMS:
            self.launch_rms()
        elif name.startswith(_BIRD):
            self._launch_bird(name.removeprefix(_BIRD))
        elif name.startswith(CHARON):
            self._launch_charon(name.removeprefix(CHARON))
        else:
            nodes: tuple[Mag | Lma, ...] = (*self._profile.lmas, *self._profile.mags)
            self._launch_agent(next(node for node in nodes if node.name == name))

    @property
    def names(self) -> tuple[str, ...]:
        """The daemons of a lab that is up: the RMS, the agents, the routing daemons, with IPsec those of strongSwan."""
        lmas = tuple(lma.name for lma in self._profile.lmas)
        routers = (settings(self._profile).correspondent.name, *lmas)
        protected = (RMS, *self._plan.switches) if self._profile.signalling.ipsec else ()
        routing = (f"{_BIRD}{node}" for node in routers)
        return (RMS, *self._plan.switches, *routing, *(f"{CHARON}{node}" for node in protected))

    # The RMS.

    def launch_rms(self) -> subprocess.Popen[bytes]:
        return self._launch(RMS, [str(Path(sys.executable).with_name("ryu-manager")), "ryu_pmipls.rms"], None)

    def await_listener(self, rms: subprocess.Popen[bytes]) -> None:
        """Return when the RMS listens."""
        wanted = {self._profile.rms.openflow.port, self._profile.rms.rest.port}
        self._await(rms, f"listen on ports {sorted(wanted)}", lambda: wanted <= processes.listening_ports(rms.pid))

    def await_connections(self, rms: subprocess.Popen[bytes], switches: Sequence[OpenVSwitch]) -> None:
        """Return when all of the switches that run have found the RMS."""

        def connected() -> bool:
            return all(hasten_reconnection(switch) for switch in switches if switch.running())

        self._await(rms, "have all switches connected", connected)

    def _await(self, rms: subprocess.Popen[bytes], what: str, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _RMS_TIMEOUT
        while not condition():
            self._refuse_death("the RMS", RMS, rms)
            if time.monotonic() > deadline:
                words = processes.last_lines(self.log(RMS))
                raise LabError(f"after {_RMS_TIMEOUT:.0f} s the RMS does not {what}; its last words:\n{words}")
            time.sleep(0.1)

    # Agents.

    def start_agents(self, nodes: Iterable[Mag | Lma]) -> None:
        """Start the agents of these nodes, and check that they live."""
        started = [(node.name, self._launch_agent(node)) for node in nodes]
        deadline = time.monotonic() + _SETTLING
        while time.monotonic() < deadline:
            for name, child in started:
                self._refuse_death(f"the agent of {name}", name, child)
            time.sleep(0.05)

    def _launch_agent(self, node: Mag | Lma) -> subprocess.Popen[bytes]:
        role = "mag" if isinstance(node, Mag) else "lma"
        argv = [sys.executable, "-m", "ryu_pmipls.cli", role, node.name, "--profile", str(self._profile_path)]
        argv += ["--run-directory", str(self._directory / node.name)]
        if node.name in settings(self._profile).lma_cpu:
            argv += ["--cpu-group", cpu_group(self._plan.prefix, node.name)]
        return self._launch(node.name, argv, self._plan.namespace(node.name))

    # Routing.

    def start_routing(self) -> None:
        """Start the routing daemons of the LMAs and of the correspondent node, which is the core's router."""
        router = settings(self._profile).correspondent
        self._start_bird(router.name, core_configuration(self._profile, router.address.ip))
        for lma in self._profile.lmas:
            self._start_bird(lma.name, lma_configuration(self._profile, lma))

    def _start_bird(self, node: str, configuration: str) -> None:
        directory = self._directory / node
        directory.mkdir(exist_ok=True)
        (directory / "bird.conf").write_text(configuration)
        child = self._launch_bird(node)
        while not (directory / "bird.ctl").exists():
            self._refuse_death(f"the routing daemon of {node}", f"{_BIRD}{node}", child)
            time.sleep(0.005)

    def _launch_bird(self, node: str) -> subprocess.Popen[bytes]:
        directory = self._directory / node
        argv = ["bird", "-f", "-c", str(directory / "bird.conf"), "-s", str(directory / "bird.ctl")]
        return self._launch(f"{_BIRD}{node}", argv, self._plan.namespace(node))

    # IPsec.

    def _launch_charon(self, node: str) -> None:
        files = DaemonFiles.private(self._directory / node)
        namespace = None if node == RMS else self._plan.namespace(node)
        places = {"STRONGSWAN_CONF": str(files.daemon), "SWANCTL_DIR": str(files.swanctl)}
        self._launch(f"{CHARON}{node}", [*unconfined(), "charon-systemd"], namespace, places)

    # Starting.

    def _launch(
        self, name: str, argv: list[str], namespace: str | None, places: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        vici = {VICI_VARIABLE: str(DaemonFiles.private(self._directory / name).socket)}
        environment = {**self._environment, **vici, **(places or {})}
        child = processes.start(self.mark(name), argv, self.log(name), namespace, environment)
        self._children[name] = child
        return child

    def _refuse_death(self, what: str, name: str, child: subprocess.Popen[bytes]) -> None:
        status = child.poll()
        if status is not None:
            words = processes.last_lines(self.log(name))
            raise LabError(f"{what} ended with status {status}; its last words:\n{words}")
