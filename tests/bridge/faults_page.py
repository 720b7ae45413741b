"""Prints docs/faults.md, which is made of the table in bridge/faults.py.

`python -m tests.bridge.faults_page > docs/faults.md` after a change of the table.
"""

import sys

from bridge.faults import NO_ANSWER, TABLE, Fault

HEAD = """\
# Faults

What can happen to a bridge, and what follows.
This page is made of the table in [bridge/faults.py](../bridge/faults.py) by `python -m tests.bridge.faults_page > docs/faults.md`.
The drills in `tests/scenarios/` do each of it to both bridges and hold them to their row.
[operations.md](operations.md) says more about each word.

"Lost" is what this bridge does not get any more; the other one has it.
Seconds are those of a quiet machine and of the timings in `config/stack.yaml` as shipped.

| what happens | `/health` says | within | it hears again | lost by this bridge | a person has to | the log says |
| --- | --- | --- | --- | --- | --- | --- |
"""  # noqa: E501 - a sentence is a line


def page() -> str:
    """The whole page."""
    return HEAD + "".join(_line(row) for row in TABLE)


def _line(row: Fault) -> str:
    said = row.word if row.word == NO_ANSWER else f"`{row.part}`: {row.word}"
    within = f"{row.within_s} s" if row.within_s else "at any time"
    logged = f"`{row.logged}`" if row.logged else "nothing"
    cells = (row.what, said, within, row.returns, row.lost, row.person, logged)
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    sys.stdout.write(page())
