"""One Open vSwitch: that of the host, or a private one in a network namespace.

The two differ only in the directory of the daemons' sockets and the namespace in which they run; every other
module of this package works on either.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from ovs_setup import OvsSetupError
from ovs_setup.packet_sockets import enlarge_receive_buffers

#: Directory of the sockets and pid files of the system's own Open vSwitch.
SYSTEM_RUN_DIRECTORY = Path("/var/run/openvswitch")
_SYSTEM_LOG_DIRECTORY = Path("/var/log/openvswitch")
_SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
#: Seconds that one request to Open vSwitch, or one command, may take.
_TIMEOUT = 15
_GRACE = 3.0  # seconds from SIGTERM to SIGKILL
_DEATH = 15.0  # seconds from SIGKILL to the end: a process with a CPU quota may have to wait for its next turn
#: Commands that start the host's own Open vSwitch.
_START = "systemctl enable --now openvswitch-switch (without systemd: /usr/share/openvswitch/scripts/ovs-ctl start)"
_DATABASE, _SWITCH = "ovsdb-server", "ovs-vswitchd"


class OvsError(OvsSetupError):
    """Failure of a command. ``command`` is its command line, ``stderr`` its error output."""

    def __init__(self, command: str, stderr: str) -> None:
        super().__init__(f"{command}: {stderr}")
        self.command = command
        self.stderr = stderr


class OpenVSwitch:
    """The host's own Open vSwitch (no arguments), or a private one.

    A private one keeps database, sockets, pid files and logs in ``run_directory``, runs in the network namespace
    ``namespace`` (its name under ``/run/netns``), and has the userspace datapath only.
    """

    def __init__(self, run_directory: Path | None = None, namespace: str | None = None) -> None:
        self.namespace = namespace
        self._private = run_directory is not None
        self.run_directory = SYSTEM_RUN_DIRECTORY if run_directory is None else run_directory.resolve()
        self._log_directory = _SYSTEM_LOG_DIRECTORY if run_directory is None else self.run_directory
        directories = ("OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR", "OVS_SYSCONFDIR") if self._private else ()
        self._environment = os.environ | dict.fromkeys(directories, str(self.run_directory))

    def start(self) -> None:
        """Start a private Open vSwitch and return when it answers; daemons that already run are left alone.

        The database outlives :meth:`stop`: bridges and ports come back, addresses and flow entries do not.
        """
        self._require_private("started")
        directory = self.run_directory
        directory.mkdir(parents=True, exist_ok=True)
        database = directory / "conf.db"
        if not database.exists():
            self._run("ovsdb-tool", "create", str(database), str(_SCHEMA))
        socket = directory / "db.sock"
        if _alive_pid(self._pid_file(_DATABASE), _DATABASE) is None:
            self._start_daemon(_DATABASE, str(database), f"--remote=punix:{socket}")
        self.vsctl("--no-wait", "init")
        if _alive_pid(self._pid_file(_SWITCH), _SWITCH) is None:
            self._start_daemon(_SWITCH, f"unix:{socket}", "--disable-system")
        self.vsctl("init")  # waits until the switch has opened the ports that the database has
        enlarge_receive_buffers(self.vswitchd_pid())
        self.version()

    def stop(self) -> None:
        """End a private Open vSwitch, if need be by SIGKILL, and remove its pid files and sockets."""
        self._require_private("stopped")
        for daemon in (_SWITCH, _DATABASE):
            pid = _alive_pid(self._pid_file(daemon), daemon)
            if pid is not None:
                _end(pid, daemon)
        for pattern in ("*.pid", "*.ctl", "db.sock", "*.mgmt", "*.snoop"):
            for path in self.run_directory.glob(pattern):
                path.unlink(missing_ok=True)

    def running(self) -> bool:
        """True when both daemons live."""
        return all(_alive_pid(self._pid_file(daemon), daemon) is not None for daemon in (_DATABASE, _SWITCH))

    def vswitchd_process(self) -> int | None:
        """Process id of ovs-vswitchd, None when it does not run."""
        return _alive_pid(self._pid_file(_SWITCH), _SWITCH)

    def database_process(self) -> int | None:
        """Process id of ovsdb-server, None when it does not run."""
        return _alive_pid(self._pid_file(_DATABASE), _DATABASE)

    def vswitchd_pid(self) -> int:
        """Process id of ovs-vswitchd; ``OvsSetupError`` when it does not run."""
        pid = self.vswitchd_process()
        if pid is None:
            raise self._not_running(_SWITCH)
        return pid

    def require_running(self) -> None:
        """Raise ``OvsSetupError``, with what to do, unless both daemons live."""
        for daemon in (_DATABASE, _SWITCH):
            if _alive_pid(self._pid_file(daemon), daemon) is None:
                raise self._not_running(daemon)

    def _not_running(self, daemon: str) -> OvsSetupError:
        cure = "" if self._private else f"; start it: {_START}"
        text = f"Open vSwitch does not run: {self._pid_file(daemon)} names no {daemon} that lives{cure}"
        return OvsSetupError(text)

    def version(self) -> tuple[int, int, int]:
        """Version of the ovs-vswitchd that runs, such as ``(3, 1, 0)``."""
        answer = self.appctl("version")
        match = re.search(r"(\d+)\.(\d+)\.(\d+)", answer)
        if match is None:
            raise OvsError("ovs-appctl version", f"no version in {answer!r}")
        return int(match[1]), int(match[2]), int(match[3])

    @property
    def log(self) -> Path:
        """The log file of ovs-vswitchd."""
        return self._log_directory / f"{_SWITCH}.log"

    def vsctl(self, *args: str) -> str:
        """Run ``ovs-vsctl``; several commands separated by ``--`` are one transaction."""
        return self._run("ovs-vsctl", f"--timeout={_TIMEOUT}", *args)

    def ofctl(self, *args: str) -> str:
        """Run ``ovs-ofctl`` in OpenFlow 1.3."""
        return self._run("ovs-ofctl", "-O", "OpenFlow13", f"--timeout={_TIMEOUT}", *args)

    def appctl(self, *args: str) -> str:
        """Run ``ovs-appctl`` on ovs-vswitchd.

        By its socket, whose name has the process id: by itself the program opens the pid file for writing, which is not
        everybody's.
        """
        pid = self.vswitchd_process()
        if pid is None:
            raise OvsError(f"ovs-appctl {' '.join(args)}", str(self._not_running(_SWITCH)))
        target = self.run_directory / f"{_SWITCH}.{pid}.ctl"
        return self._run("ovs-appctl", f"--timeout={_TIMEOUT}", f"--target={target}", *args)

    def execute(self, *argv: str) -> str:
        """Run any command in the switch's network namespace."""
        return self._run(*self._enter(), *argv)

    def rows(self, table: str, *columns: str) -> list[dict[str, Any]]:
        """Rows of an OVSDB table: optional columns as value or ``[]``, sets as list, maps as dict."""
        text = self.vsctl("--format=json", f"--columns={','.join(columns)}", "list", table)
        answer = json.loads(text)
        return [
            {heading: _plain(value) for heading, value in zip(answer["headings"], row, strict=True)}
            for row in answer["data"]
        ]

    def _start_daemon(self, daemon: str, *args: str) -> None:
        log = self._log_directory / f"{daemon}.log"
        options = (f"--pidfile={self._pid_file(daemon)}", f"--log-file={log}", "-vconsole:off", "--detach")
        self._run(*self._enter(), daemon, *args, *options)

    def _enter(self) -> tuple[str, ...]:
        # Not "ip netns exec": that puts a new /sys in place, and with it hides the control groups.
        return () if self.namespace is None else ("nsenter", f"--net=/run/netns/{self.namespace}", "--")

    def _pid_file(self, daemon: str) -> Path:
        return self.run_directory / f"{daemon}.pid"

    def _require_private(self, verb: str) -> None:
        if not self._private:
            raise OvsSetupError(
                f"the host's own Open vSwitch cannot be {verb} from here; its service manager does that"
            )

    def _run(self, *argv: str) -> str:
        command = " ".join(argv)
        try:
            done = subprocess.run(
                argv,
                capture_output=True,
                text=True,
                errors="replace",
                stdin=subprocess.DEVNULL,
                env=self._environment,
                timeout=_TIMEOUT + 5,
                check=False,
            )
        except FileNotFoundError:
            raise OvsError(command, f"{argv[0]} is not installed") from None
        except subprocess.TimeoutExpired:
            raise OvsError(command, f"no answer within {_TIMEOUT + 5} s") from None
        if done.returncode != 0:
            raise OvsError(command, done.stderr.strip() or f"exit status {done.returncode}")
        return done.stdout.rstrip()


def _plain(value: Any) -> Any:
    """OVSDB's JSON notation (RFC 7047, section 5.1) as plain Python values."""
    if isinstance(value, list):
        kind, content = value
        if kind == "map":
            return {_plain(key): _plain(item) for key, item in content}
        if kind == "set":
            return [_plain(item) for item in content]
        return content
    return value


def _alive_pid(pid_file: Path, daemon: str) -> int | None:
    """The process that a pid file names, if it lives and is that daemon: a killed one leaves its pid file behind."""
    try:
        pid = int(pid_file.read_text())
    except (OSError, ValueError):
        return None
    return pid if _lives(pid, daemon) else None


def _lives(pid: int, daemon: str) -> bool:
    """True while any thread of the daemon runs: a killed one keeps its locks until the last of them has ended."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
        threads = len([*Path(f"/proc/{pid}/task").iterdir()])
    except OSError:
        return False
    name, _, rest = status.partition("(")[2].rpartition(")")
    return name == daemon and (threads > 1 or rest.split()[0] != "Z")


def _end(pid: int, daemon: str) -> None:
    for number, grace in ((signal.SIGTERM, _GRACE), (signal.SIGKILL, _DEATH)):
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + grace
        while time.monotonic() < deadline:
            if not _lives(pid, daemon):
                return
            time.sleep(0.01)
    raise OvsSetupError(f"{daemon} (process {pid}) does not end")
