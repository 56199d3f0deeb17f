"""Either of the two ends of a probe, a process of its own: ``python -m ryu_pmipls.lab.probe_ends``.

Imports next to nothing, so that it starts at once on a machine that is busy with the measured traffic.
"""

from __future__ import annotations

import signal
import socket
import struct
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

_DATAGRAM = struct.Struct("!QQ")  # number from 0; time of sending, ns since 1970
#: Receiver's record of each datagram: its number, its time of sending, and its time of arrival, ns since 1970.
RECORD = struct.Struct("!QQQ")
_TIMESPEC = struct.Struct("qq")
_SO_TIMESTAMPNS = 35
_RECEIVE_BUFFER = 4 << 20


def _stop(_number: int, _frame: FrameType | None) -> None:
    sys.exit()


def send(address: str, port: int, rate: int, size: int) -> None:
    """Send until SIGTERM. Prints a line when it begins, and at the end the number of datagrams and the time (ns)."""
    padding = bytes(size - _DATAGRAM.size)
    sent = 0
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender:
        print("sending", flush=True)
        try:
            start = time.monotonic()
            while True:
                # The clock sets the pace, not pauses: a sender that was late catches up and keeps the rate.
                pause = start + sent / rate - time.monotonic()
                if pause > 0:
                    time.sleep(pause)
                datagram = _DATAGRAM.pack(sent, time.time_ns()) + padding
                sent += 1
                try:
                    sender.sendto(datagram, (address, port))
                except OSError:  # no route or no neighbour just now: a lost datagram like any other
                    continue
        finally:
            print(sent, time.time_ns(), flush=True)


def receive(address: str, path: Path) -> None:
    """Print the port, record every datagram with the kernel's time of arrival until SIGTERM."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as receiver, path.open("wb") as records:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        receiver.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        receiver.bind((address, 0))
        print(receiver.getsockname()[1], flush=True)
        while True:
            data, ancillary, _, _ = receiver.recvmsg(65536, socket.CMSG_SPACE(_TIMESPEC.size))
            seconds, nanoseconds = _TIMESPEC.unpack(ancillary[0][2])
            if len(data) >= _DATAGRAM.size:
                number, sent = _DATAGRAM.unpack_from(data)
                records.write(RECORD.pack(number, sent, seconds * 1_000_000_000 + nanoseconds))


def main(argv: Sequence[str]) -> None:
    """``receive ADDRESS FILE`` or ``send ADDRESS PORT RATE SIZE``."""
    signal.signal(signal.SIGTERM, _stop)
    role, address, *rest = argv
    if role == "receive":
        receive(address, Path(rest[0]))
    else:
        send(address, *(int(value) for value in rest))


if __name__ == "__main__":
    main(sys.argv[1:])
