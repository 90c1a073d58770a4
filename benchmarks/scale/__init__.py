"""A day of 10 million clips on 20,000 GPUs: one PostgreSQL, cells, the loss of a cell, spot GPUs.

    database  the transactions of a job's life on a real PostgreSQL, and the largest cell that it bears
    formula   waits by formula beside those of the scheduler, clip by clip, in small cells and in whole ones
    day       a day of all cells in three regions, minute by minute
    loss      a cell is lost for an hour at the peak: what waits, what is lost, what room it takes
    spot      cost of a clip by share of spot GPUs

All but the first run on a virtual clock. Every assumption is in `benchmarks/scale/assumptions.py` with its
unit and source. --write puts the tables and charts into docs/explanation/scale.md.
"""

from __future__ import annotations


def main(words: list[str]) -> None:
    """Measure, simulate and print."""
    # Imported late: processes of the measurement import this package too.
    from benchmarks.scale import command

    command.main(words, description=(__doc__ or "").splitlines()[0])
