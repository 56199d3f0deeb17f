"""Benchmarks: ours beside a yardstick, in one run. ``python -m tests.bench``, or ``./run bench``."""
