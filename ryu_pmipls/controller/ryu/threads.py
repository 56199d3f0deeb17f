"""A native thread for work that would block all green threads: the store, which waits for the disk."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from eventlet import getcurrent, patcher
from eventlet.hubs import get_hub

if TYPE_CHECKING:
    from queue import SimpleQueue

T = TypeVar("T")

# The originals: Ryu patches these names, so that they make green threads and let them wait.
_queue, _threading = patcher.original("queue"), patcher.original("threading")


def in_thread(make: Callable[..., T], *arguments: Any) -> T:
    """An object in a thread of its own: its maker and its methods run there, one after the other.

    Only the calling green thread waits for the answer, not the others. (eventlet's own way of doing this takes four
    times as long, 0.1 ms for a call.)
    """
    thread = _Thread()
    return cast(T, _Resident(thread, thread.call(make, *arguments)))


class _Resident:
    """Stands for an object; has its methods."""

    def __init__(self, thread: _Thread, resident: object) -> None:
        self._thread = thread
        self._resident = resident

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return partial(self._thread.call, getattr(self._resident, name))


class _Call:
    """A function to call, and later its result; the caller is None when nobody waits any more."""

    def __init__(self, caller: Any, function: Callable[[], Any]) -> None:
        self.caller = caller
        self.function = function
        self.answered = False
        self.result: Any = None
        self.error: BaseException | None = None

    def answer(self) -> None:
        """Let the caller go on; the hub calls this."""
        if self.caller is not None:
            self.answered = True
            self.caller.switch()


class _Thread:
    def __init__(self) -> None:
        self._calls: SimpleQueue[_Call] = _queue.SimpleQueue()
        self._done: deque[_Call] = deque()
        self._news = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        loop = get_hub()
        loop.add(loop.READ, self._news, self._finished, _finished_by_force, None)
        _threading.Thread(target=self._work, daemon=True).start()

    def call(self, function: Callable[..., T], /, *arguments: Any, **named: Any) -> T:
        """Call the function in the thread; return or raise what it does."""
        call = _Call(getcurrent(), partial(function, *arguments, **named))
        self._calls.put(call)
        try:
            while not call.answered:
                get_hub().switch()
        finally:
            call.caller = None
        if call.error is not None:
            raise call.error
        return cast(T, call.result)

    def _work(self) -> None:
        while True:
            call = self._calls.get()
            try:
                call.result = call.function()
            except BaseException as error:  # the caller raises it
                call.error = error
            self._done.append(call)
            del call  # the result must not live until the next call; those who need it keep it
            os.eventfd_write(self._news, 1)

    def _finished(self, _: int) -> None:
        os.eventfd_read(self._news)
        loop = get_hub()
        while self._done:
            # Not at once: if the caller then failed, the hub would blame this listener and remove it.
            loop.schedule_call_global(0, self._done.popleft().answer)


def _finished_by_force(*_: object) -> None:
    """Required by the hub, to call when the descriptor is closed, which nobody does."""
