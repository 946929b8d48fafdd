"""Tests of what the benchmarks rest on; they measure nothing."""
