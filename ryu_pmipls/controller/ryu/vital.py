"""Green threads without which the process is of no use: it must not go on, nor end as if all were well."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

from eventlet import getcurrent, patcher
from eventlet.hubs import get_hub
from ryu.lib import hub

LOG = logging.getLogger(__name__)

#: Seconds that the process has to end in order.
_ENDING = 5.0

_threading = patcher.original("threading")


def vital(loop: Callable[[], object]) -> Callable[[], None]:
    """A loop whose end, unless it is killed, ends the process with status 1 and the reason in the log."""
    name = getattr(loop, "__qualname__", type(loop).__name__)

    def run() -> None:
        try:
            loop()
        except hub.TaskExit:
            raise
        except BaseException as error:
            LOG.exception("%s failed", name)
            end_process(f"{name} has failed: {error!r}")
        else:
            end_process(f"{name} has come to an end")

    return run


def end_process(reason: str) -> None:
    """End the process with status 1, in order if that is possible, from any green thread."""
    LOG.critical("the process ends: %s", reason)
    timer = _threading.Timer(_ENDING, os._exit, (1,))
    timer.daemon = True
    timer.start()
    main = getcurrent()
    while main.parent is not None:
        main = main.parent
    get_hub().schedule_call_global(0, main.throw, SystemExit(f"the process ends: {reason}"))
