"""Gleaner beside what people use today, measured in the same run on the same machine.

    make bench                              all of them, into docs/benchmarks/
    make bench ARGS="capture --quick"       one, small, into a temporary folder

A benchmark is a module with `run(...) -> Report`. Ways to compare are taken in turns over several rounds, so that a
disturbance of the machine meets them all; a figure is the median over the rounds, with the lowest and the highest.
`survival` and `load` are one long round each: the first counts, the second measures for ten minutes. `density` and
`footprint` are one round too: bytes do not vary, and peaks hardly do.
"""
