"""Measurements as ratios within one run. `python -m benchmarks` prints a table and writes JSON."""
