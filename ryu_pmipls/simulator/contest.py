"""All contenders of a scenario with the same traffic, each in a process of its own."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ryu_pmipls.simulator.engine import Run, simulate
from ryu_pmipls.simulator.scenario import Contender, Scenario
from ryu_pmipls.simulator.traffic import traffic_of

#: Seconds between reports of progress.
_INTERVAL = 0.2

_steps: Any = None  # in a worker: the steps that each contender has done, shared with the process that waits


def play(
    scenario: Scenario, path: Path, contenders: Sequence[Contender], progress: Callable[[Sequence[int]], object]
) -> list[Run]:
    """The runs of contenders, in their order; as many at a time as there are processors.

    ``path`` is the scenario's file. ``progress`` is called now and then with the number of steps that each has done.
    """
    # The workers are not forked: a thread that shows the progress may hold a lock.
    context = multiprocessing.get_context("spawn")
    steps = context.Array("q", len(contenders), lock=False)
    workers = min(len(contenders), os.cpu_count() or 1)
    with ProcessPoolExecutor(workers, context, _share, (steps,)) as pool:
        try:
            with _interrupts_held():
                futures = [pool.submit(_play, scenario, path, *numbered) for numbered in enumerate(contenders)]
            while wait(futures, _INTERVAL).not_done:
                progress([*steps])
            progress([*steps])
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in multiprocessing.active_children():
                worker.terminate()
            raise


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """A block at whose end a SIGINT takes effect, and whose processes never get one.

    A terminal sends it to all of them, and only the first should answer.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _share(steps: Any) -> None:
    global _steps
    _steps = steps


def _play(scenario: Scenario, path: Path, number: int, contender: Contender) -> Run:
    def advance() -> None:
        _steps[number] += 1

    return simulate(scenario, contender, traffic_of(scenario, path), advance)
