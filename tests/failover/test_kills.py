"""The controller is killed at random moments of swaps, and every next one comes to its end."""

import multiprocessing
import os
import random
import subprocess
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from tests.conftest import Stack
from tests.failover.standins import MONITORS, in_place, standins, stands
from tests.failover.swapping import control

ROUNDS = int(os.environ.get("SWAP_ROUNDS", "20"))
SIDES = ("primary", "backup")
WITHIN_S = 90


class Controllers:
    """Starts them, one after the other, from a server that has imported everything."""

    def __init__(self, project: str, directory: Path) -> None:
        self.project = project
        self.directory = directory
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["tests.failover.swapping"])

    def killed(self, side: str, after_s: float) -> bool:
        """One that decides for the side and is killed so long after; whether it was in time."""
        process, told = self._started(side)
        assert told.poll(WITHIN_S), "it never kept its decision"
        assert told.recv() == "kept"
        process.join(after_s)
        was_killed = process.is_alive()
        process.kill()
        process.join()
        return was_killed

    def goes_on(self) -> None:
        """One that starts where the killed one was, and is let finish."""
        process, told = self._started(None)
        try:
            for word in ("kept", "done"):
                assert told.poll(WITHIN_S), f"never {word}"
                assert told.recv() == word
            process.join(WITHIN_S)
            assert process.exitcode == 0
        finally:
            process.kill()
            process.join()

    def _started(
        self, side: str | None
    ) -> tuple[ForkServerProcess, multiprocessing.connection.Connection]:
        told, teller = self._context.Pipe(duplex=False)
        process = self._context.Process(
            target=control, args=(self.project, self.directory, side, teller)
        )
        process.start()
        teller.close()
        return process, told


def _up(stack: Stack) -> None:
    """What a person might do at any moment; Compose may lose a race, and is not asked twice."""
    subprocess.run(
        [*("docker", "compose", "-p", stack.project, "-f", str(stack.files[0])), "up", "--detach"],
        capture_output=True,
        timeout=120,
        check=False,
        env=os.environ | stack.environment,
    )


@pytest.mark.timeout(60 * 30)
@pytest.mark.parametrize("rounds", [ROUNDS, pytest.param(5 * ROUNDS, marks=pytest.mark.soak)])
def test_a_controller_killed_at_any_moment_leaves_nothing_that_the_next_one_cannot_finish(
    run_id: str, tmp_path: Path, rounds: int
) -> None:
    """Both monitors, one start in four ignores SIGTERM, and in every third round Compose is told
    `up` in between: each round ends with one container per monitor, running, under its own name,
    on the side that was decided.
    """
    seed = int(os.environ.get("SWAP_SEED", random.randrange(1_000_000)))
    dice = random.Random(seed)
    killed = 0
    with standins(f"{run_id}-kills", STUBBORN="yes") as stack:
        controllers = Controllers(stack.project, tmp_path)
        for number in range(rounds):
            side = SIDES[(number + 1) % 2]
            after_s = dice.uniform(0.02, 1.2)
            killed += controllers.killed(side, after_s)
            if number % 3 == 2:
                _up(stack)
            controllers.goes_on()
            found = [stands(stack, service) for service in MONITORS]
            try:
                in_place(stack, side)
            except (AssertionError, ValueError) as wrong:
                message = f"round {number} of seed {seed}, killed after {after_s:.3f} s: {found}"
                raise AssertionError(message) from wrong
        print(f"{killed} of {rounds} controllers were killed in the midst of a swap, seed {seed}")
    assert killed >= ROUNDS / 4, "most swaps were over before their controller was killed"
