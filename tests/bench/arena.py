"""Where an RMS is measured: real switches, or sinks that only answer barriers, and processes, in a network namespace.

All nodes of the domain have their addresses on the namespace's loopback. Every LMA has an Open vSwitch of its own
(userspace datapath, in a namespace of its own) with the bridge and the tunnel ports that it would have on a real host;
MAGs have a switch only if a benchmark wants it. A switch may have several controllers, so that what is compared takes
turns on the very same switches.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict
from ipaddress import IPv6Address
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import yaml

from ovs_setup.tls import vsctl_step, wanted_files
from ovs_setup.vswitch import OpenVSwitch
from ryu_pmipls.controller.bindings import Binding
from ryu_pmipls.controller.bindings.binding_table import TICKS_PER_SECOND
from ryu_pmipls.controller.store import SqliteStore
from ryu_pmipls.controller.switches.ports import tunnel_port
from ryu_pmipls.domain.profile import PROFILE_VARIABLE, Lma, Mag, Profile, load_profile
from ryu_pmipls.lab import namespaces
from ryu_pmipls.lab.lab_certificates import make_certificates
from ryu_pmipls.lab.processes import last_lines
from tests import checkout_first
from tests.bench.load_generator import Job, Outcome
from tests.bench.raw_writer import RawWriter
from tests.waiting import PATIENCE, eventually

T = TypeVar("T")

NAMESPACE = "pmbench"
#: Where switches find the RMS, the raw writer and the ordinary application.
RMS_PORT, RAW_PORT, ORDINARY_PORT = 6653, 6654, 6655
#: Where they find the RMS by TLS.
TLS_PORT = 6656
#: The environment variable that tells the ordinary application to store; empty for no.
ORDINARY_STORE = "PMIPLS_ORDINARY_STORE"
_NETWORK = 0xFD00_5213_BE << 88
MAGS = 2
#: OpenFlow port of the tunnel to the first MAG at every LMA; those to the others follow.
FIRST_TUNNEL = 10
_READY = 180.0  # a million routes take their time
_SEEDED = 10_000
#: Lines of a log that an error has.
_LAST_WORDS = 15
#: Of what is compared, on the scale from -20 (first) to 19.
_NICE = -10
_MANAGER = str(Path(sys.executable).with_name("ryu-manager"))


class Arena:
    """A domain of ``lmas`` LMAs and two MAGs, for ``with``: what was started ends with it.

    With sinks for switches it is not to be ``audited``: they do not remember what they should hold, so that the RMS
    would write all of it anew, for ever.
    """

    def __init__(self, lmas: int, *, audited: bool = True, **load_sharing: Any) -> None:
        self._audited = audited
        self.directory = Path(tempfile.mkdtemp(prefix="pmbench-"))
        self.profile_path = self._write_profile("profile.yaml", lmas, 0x99, RMS_PORT, load_sharing)
        self.profile: Profile = load_profile(self.profile_path)
        #: The same domain with the ordinary application in place of the RMS.
        self.ordinary_profile = self._write_profile("ordinary.yaml", lmas, 0x98, ORDINARY_PORT, load_sharing)
        #: The same domain with the same RMS, which speaks TLS to the switches.
        self.tls_profile = self._write_profile("tls.yaml", lmas, 0x99, TLS_PORT, load_sharing)
        self._ends = ExitStack()
        self._running: dict[subprocess.Popen[bytes], Path] = {}  # what was started here, and its log

    def __enter__(self) -> Arena:
        try:
            self._ends.callback(shutil.rmtree, self.directory)
            self._ends.callback(namespaces.remove, NAMESPACE)
            namespaces.create(NAMESPACE)
            self.run("ip", "link", "set", "lo", "up")
            nodes = (*self.profile.lmas, *self.profile.mags, self.profile.rms, load_profile(self.ordinary_profile).rms)
            for node in nodes:
                self.run("ip", "-6", "address", "add", f"{node.address}/128", "dev", "lo", "nodad")
        except BaseException:
            self._ends.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.close()

    def run(self, *argv: str, namespace: str = NAMESPACE) -> str:
        """Run a command in the namespace, or that of a switch; its output."""
        done = subprocess.run(namespaces.command(namespace, argv), capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip()}")
        return done.stdout

    def python(self, module: str, *arguments: str, **environment: str) -> str:
        """Run a module in the namespace; its output."""
        done = subprocess.run(
            namespaces.command(NAMESPACE, [sys.executable, "-m", module, *arguments]),
            stdout=subprocess.PIPE,
            text=True,
            check=False,
            env={**os.environ, **checkout_first(), **environment},
        )
        if done.returncode:
            raise RuntimeError(f"{module} {' '.join(arguments)}: exit status {done.returncode}")
        return done.stdout

    def start(
        self, argv: Iterable[str], log: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a process in the namespace that ends with the arena; ``log`` is the name of its log."""
        path = self.directory / log
        with path.open("ab") as output:
            process = subprocess.Popen(
                namespaces.command(NAMESPACE, argv),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **checkout_first(), **(environment or {})},
                start_new_session=True,  # as a service is
            )
        self._running[process] = path
        self._ends.callback(self.end, process)
        return process

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """End a process that was started here, if it runs."""
        self._running.pop(process, None)
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def expect(self, condition: Callable[[], T], what: str, timeout: float = PATIENCE) -> T:
        """The value of ``condition`` as soon as that is true.

        ``RuntimeError`` when a process of the arena has ended before, ``TimeoutError`` when it takes longer than
        ``timeout`` seconds; both with the last words of the processes.
        """

        def look() -> T:
            for process, log in self._running.items():
                if process.poll() is not None:
                    words = last_lines(log, _LAST_WORDS)
                    raise RuntimeError(f"{what}: {log.stem} ended with status {process.returncode}:\n{words}")
            return condition()

        try:
            return eventually(look, what, timeout)
        except TimeoutError as error:
            words = "".join(f"\n{log.name}:\n{last_lines(log, _LAST_WORDS)}" for log in self._running.values())
            raise TimeoutError(f"{error}{words}") from None

    # Switches.

    def start_switches(self, controllers: Collection[int], nodes: Iterable[Lma | Mag] = ()) -> list[OpenVSwitch]:
        """An Open vSwitch for every LMA, or these nodes, which looks for its controllers at these ports."""
        if TLS_PORT in controllers:
            make_certificates(load_profile(self.tls_profile), self.directory)
        return [self._start_switch(node, controllers) for node in (*nodes,) or self.profile.lmas]

    def start_sinks(self) -> subprocess.Popen[bytes]:
        """Switches that take everything and do nothing but answer, for every LMA, in one process."""
        return self.start([sys.executable, "-m", "tests.bench.sink_switches", str(self.profile_path)], "sinks.log")

    def _start_switch(self, node: Lma | Mag, controllers: Collection[int]) -> OpenVSwitch:
        switch, bridge = OpenVSwitch(self.directory / node.name, self._create_host(node)), f"br-{node.name}"
        self._ends.callback(switch.stop)
        switch.start()
        commands = [
            *("add-br", bridge, "--", "set", "bridge", bridge, "datapath_type=netdev", "fail-mode=secure"),
            *("protocols=OpenFlow13", f"other_config:datapath-id={node.datapath_id:016x}"),
        ]
        peers = self.profile.lmas if isinstance(node, Mag) else self.profile.mags
        for port, peer in enumerate(peers, FIRST_TUNNEL):
            name = tunnel_port(peer.name)
            commands += [
                *("--", "add-port", bridge, name, "--", "set", "interface", name, "type=gre"),
                *(f'options:local_ip="{node.address}"', f'options:remote_ip="{peer.address}"', "options:key=flow"),
                *("options:packet_type=legacy_l3", f"ofport_request={port}"),
            ]
        if TLS_PORT in controllers:
            switch.vsctl(*vsctl_step(wanted_files(load_profile(self.tls_profile), node.name) or ()))
        targets = (
            f"{'ssl' if port == TLS_PORT else 'tcp'}:[{self.profile.rms.address}]:{port}" for port in controllers
        )
        switch.vsctl(*commands, "--", "set-controller", bridge, *targets)
        for row in switch.rows("Controller", "_uuid"):
            # No probes: a switch that is busy is not to be taken for one that is gone.
            switch.vsctl("set", "controller", row["_uuid"], "max_backoff=1000", "inactivity_probe=0")
        return switch

    def _create_host(self, node: Lma | Mag) -> str:
        """A namespace for a switch, for each has its datapath's interface in its own; the arena is its gateway."""
        host, link, network = f"{NAMESPACE}-{node.name}", f"v-{node.name}", f"fd00:5213:bf:{node.datapath_id:x}:"
        self._ends.callback(namespaces.remove, host)
        namespaces.create(host)
        self.run("ip", "link", "add", link, "type", "veth", "peer", "name", "up", "netns", host)
        for namespace, interface, address in ((NAMESPACE, link, f"{network}:1"), (host, "up", f"{network}:2")):
            self.run("ip", "-6", "address", "add", f"{address}/64", "dev", interface, "nodad", namespace=namespace)
            self.run("ip", "link", "set", "dev", interface, "up", namespace=namespace)
        self.run("ip", "-6", "route", "add", "default", "via", f"{network}:1", namespace=host)
        return host

    # The RMS.

    def start_rms(self, module: str = "ryu_pmipls.rms", **environment: str) -> subprocess.Popen[bytes]:
        """Start the RMS, or a module in its place, and return when all switches are ready."""
        process = self.launch_rms(module, **environment)
        self.await_ready()
        return process

    def launch_rms(self, module: str = "ryu_pmipls.rms", **environment: str) -> subprocess.Popen[bytes]:
        """The same, but return at once."""
        return self._start_controller(module, "rms.log", {PROFILE_VARIABLE: str(self.profile_path), **environment})

    def start_ordinary(self, *, stored: bool) -> subprocess.Popen[bytes]:
        """Start the ordinary application, and return when all switches have connected to it."""
        environment = {PROFILE_VARIABLE: str(self.ordinary_profile), ORDINARY_STORE: "yes" if stored else ""}
        log = f"ordinary-{stored}.log"
        process = self._start_controller("tests.bench.ordinary_rms", log, environment)
        all_there = f"{len(self.profile.lmas)} switches\n"
        self.expect(lambda: all_there in (self.directory / log).read_text(), "switches at the ordinary application")
        return process

    def _start_controller(self, module: str, log: str, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Start an application of Ryu, to run before others on a busy machine, as docs/performance.md has it."""
        process = self.start([_MANAGER, module], log, environment)
        os.setpriority(os.PRIO_PROCESS, process.pid, _NICE)
        # Linux may share the processors among sessions first (sched(7)).
        with suppress(FileNotFoundError):
            Path(f"/proc/{process.pid}/autogroup").write_text(str(_NICE), encoding="ascii")
        return process

    def raw_writer(self) -> RawWriter:
        """A raw writer that listens at ``RAW_PORT``; it ends with the arena."""
        address, count = str(self.profile.rms.address), len(self.profile.lmas)
        writer = namespaces.run_in(NAMESPACE, lambda: RawWriter(address, RAW_PORT, count))
        self._ends.callback(writer.close)
        return writer

    def generate(self, job: Job, profile: Path | None = None) -> Outcome:
        """Have the load generator do a job."""
        answer = self.python("tests.bench.load_generator", str(profile or self.profile_path), json.dumps(asdict(job)))
        return Outcome(**json.loads(answer))

    def seed(self, count: int) -> None:
        """Put bindings of so many mobile nodes into the RMS's store, which is not running: all are at the first MAG."""
        first = int(self.profile.home_prefix_pool.network_address) >> 64
        ticks = int((time.time() - 60) * TICKS_PER_SECOND)
        mag, lma = self.profile.mags[0].name, self.profile.lmas[0].name
        store = SqliteStore(self.profile.rms.state_directory)
        for start in range(0, count, _SEEDED):
            store.save_bindings(
                [
                    Binding(
                        (first + node).to_bytes(8, "big"),
                        mag,
                        None,
                        f"mn{node}@example.net",
                        b"\2" + node.to_bytes(5, "big"),
                        1,
                        lma,
                        ticks,
                    )
                    for node in range(start, min(start + _SEEDED, count))
                ]
            )
        store.close()

    def await_ready(self) -> None:
        """Wait until the RMS has reconciled the switches of all LMAs."""

        def ready() -> bool:
            try:
                switches = self.rest("health")["switches"]
            except OSError:
                return False
            return all(switches[lma.name] == "ready" for lma in self.profile.lmas)

        self.expect(ready, "switches that are ready", _READY)

    def rest(self, path: str) -> Any:
        """A document of the RMS."""
        endpoint = self.profile.rms.rest

        def get() -> Any:
            with urllib.request.urlopen(f"http://{endpoint.host}:{endpoint.port}/v1/{path}", timeout=30) as answer:
                return json.load(answer)

        return namespaces.run_in(NAMESPACE, get)

    def _write_profile(self, name: str, lmas: int, rms: int, port: int, load_sharing: dict[str, Any]) -> Path:
        address = [str(IPv6Address(_NETWORK + number)) for number in range(0x100)]
        document = {
            "domain": "bench",
            "home_prefix_pool": "2001:db8:100::/40",
            "rms": {
                "address": address[rms],
                "openflow": {"host": "::", "port": port, "tls": port == TLS_PORT},
                "rest": {"host": "127.0.0.1", "port": 8080},
                "state_directory": str(self.directory / "state"),
            },
            "lmas": [
                {
                    "name": f"lma{number}",
                    "address": address[0x10 + number],
                    "datapath_id": 0xBE10 + number,
                    "core": {"port": "core", "address": f"2001:db8:c0::{number}/64", "gateway": "2001:db8:c0::ff"},
                }
                for number in range(1, lmas + 1)
            ],
            "mags": [
                {
                    "name": f"mag{number}",
                    "address": address[0x40 + number],
                    "datapath_id": 0xBE40 + number,
                    "access_ports": ["acc1"],
                }
                for number in range(1, MAGS + 1)
            ],
            "load_sharing": load_sharing,
            "certificates": {"folder": str(self.directory / "pki")} if port == TLS_PORT else {},
            "timers": {} if self._audited else {"audit_interval": None},
            "signalling": {"rate_limit": 1_000_000},
        }
        path = self.directory / name
        path.write_text(yaml.safe_dump(document), encoding="utf-8")
        return path
