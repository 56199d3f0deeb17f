"""Benchmarks: ours beside a yardstick, in one run. ``python -m tests.bench [NAME...]``, or ``./run bench``."""
