"""Where an RMS is measured: real switches, or sinks that only answer barriers, and processes, in a network namespace.

All nodes of the domain have their addresses on the namespace's loopback. Every LMA has an Open vSwitch of its own
(userspace datapath) with the bridge and the tunnel ports that it would have on a host of its own; MAGs have no switch.
A switch may have several controllers, so that what is compared takes turns on the very same switches.
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
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from ipaddress import IPv6Address
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import yaml

from ovs_setup.vswitch import OpenVSwitch
from ryu_pmipls.domain.profile import PROFILE_VARIABLE, Profile, load_profile
from ryu_pmipls.lab import namespaces

T = TypeVar("T")

NAMESPACE = "pmbench"
#: Where switches find the RMS, the raw writer and the ordinary application.
RMS_PORT, RAW_PORT, ORDINARY_PORT = 6653, 6654, 6655
_NETWORK = 0xFD00_5213_BE << 88
MAGS = 2
_TIMEOUT = 60.0


def eventually(condition: Callable[[], T], what: str, timeout: float = _TIMEOUT) -> T:
    """What ``condition`` returns as soon as that is true."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout:g} s")
        time.sleep(0.02)
    return value


class Arena:
    """A domain of ``lmas`` LMAs and two MAGs, for ``with``: what was started ends with it."""

    def __init__(self, lmas: int, **load_sharing: Any) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="pmbench-"))
        self.profile_path = self._write_profile("profile.yaml", lmas, 0x99, RMS_PORT, load_sharing)
        self.profile: Profile = load_profile(self.profile_path)
        #: The same domain with the ordinary application in place of the RMS.
        self.ordinary_profile = self._write_profile("ordinary.yaml", lmas, 0x98, ORDINARY_PORT, load_sharing)
        self._ends = ExitStack()

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

    def run(self, *argv: str) -> str:
        """Run a command in the namespace; its output."""
        done = subprocess.run(namespaces.command(NAMESPACE, argv), capture_output=True, text=True, check=False)
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
            env=os.environ | environment,
        )
        if done.returncode:
            raise RuntimeError(f"{module} {' '.join(arguments)}: exit status {done.returncode}")
        return done.stdout

    def start(
        self, argv: Iterable[str], log: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a process in the namespace that ends with the arena."""
        with (self.directory / log).open("ab") as output:
            process = subprocess.Popen(
                namespaces.command(NAMESPACE, argv),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | dict(environment or {}),
            )
        self._ends.callback(end, process)
        return process

    # Switches.

    def start_switches(self, controllers: Iterable[int]) -> list[OpenVSwitch]:
        """An Open vSwitch for every LMA, which looks for its controllers at these ports of the RMS's address."""
        return [self._start_switch(number, controllers) for number in range(len(self.profile.lmas))]

    def start_sinks(self) -> subprocess.Popen[bytes]:
        """Switches that take everything and do nothing but answer, for every LMA, in one process."""
        return self.start([sys.executable, "-m", "tests.bench.sink_switches", str(self.profile_path)], "sinks.log")

    def _start_switch(self, number: int, controllers: Iterable[int]) -> OpenVSwitch:
        lma = self.profile.lmas[number]
        switch, bridge = OpenVSwitch(self.directory / lma.name, NAMESPACE), f"br-{lma.name}"
        self._ends.callback(switch.stop)
        switch.start()
        commands = [
            *("add-br", bridge, "--", "set", "bridge", bridge, "datapath_type=netdev", "fail-mode=secure"),
            *("protocols=OpenFlow13", f"other_config:datapath-id={lma.datapath_id:016x}"),
        ]
        for port, mag in enumerate(self.profile.mags, start=10):
            commands += [
                *("--", "add-port", bridge, f"t-{mag.name}", "--", "set", "interface", f"t-{mag.name}", "type=gre"),
                *(f'options:local_ip="{lma.address}"', f'options:remote_ip="{mag.address}"', "options:key=flow"),
                *("options:packet_type=legacy_l3", f"ofport_request={port}"),
            ]
        targets = (f"tcp:[{self.profile.rms.address}]:{port}" for port in controllers)
        switch.vsctl(*commands, "--", "set-controller", bridge, *targets)
        for row in switch.rows("Controller", "_uuid"):
            # No probes: a switch that is busy is not to be taken for one that is gone.
            switch.vsctl("set", "controller", row["_uuid"], "max_backoff=1000", "inactivity_probe=0")
        return switch

    # The RMS.

    def start_rms(self) -> subprocess.Popen[bytes]:
        """Start the RMS and return when all switches are ready."""
        manager = str(Path(sys.executable).with_name("ryu-manager"))
        process = self.start([manager, "ryu_pmipls.rms"], "rms.log", {PROFILE_VARIABLE: str(self.profile_path)})
        self.await_ready()
        return process

    def await_ready(self) -> None:
        """Wait until the RMS has reconciled the switches of all LMAs."""

        def ready() -> bool:
            try:
                switches = self.rest("health")["switches"]
            except OSError:
                return False
            return all(switches[lma.name] == "ready" for lma in self.profile.lmas)

        eventually(ready, f"switches are ready; see {self.directory / 'rms.log'}")

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
                "openflow": {"host": "::", "port": port},
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
            "signalling": {"rate_limit": 1_000_000},
        }
        path = self.directory / name
        path.write_text(yaml.safe_dump(document), encoding="utf-8")
        return path


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process that was started here."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
