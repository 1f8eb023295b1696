"""Speed beside the peers: every load of the specification, every server in one run, medians and ratios.

    python -m benchmarks                              everything, about fifty minutes, writes RESULTS.md and plots/
    python -m benchmarks --quick                      two loads in a minute
    python -m benchmarks --only hello,mixed --servers wiverno-16,granian-16 --rounds 1 --seconds 2

The flow: `environment` (the peers, pinned, in their own .venv) → `loads` × `servers` → `rounds` (one process a
measurement, pinned to one CPU, wrk on the other) → `report` and `plots`. Only ratios between servers of one run mean
anything; absolute figures belong to the machine they were taken on.
"""
