"""SIGKILL at every step of a training run: it goes on to its end, and nothing is trained or paid for twice."""

import json
from pathlib import Path

from tests.faults.conftest import Site

STEPS = {"run:openai": 40, "run:steps": 35, "cancel:openai": 10, "cancel:steps": 5}  # at least so many


def test_whatever_step_is_the_last_a_run_comes_to_its_end_once(tmp_path: Path) -> None:
    done = Site(tmp_path).run("-m", "tests.faults.training_run_kills", *STEPS)

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {case: each["wrong"] for case, each in found.items()} == {case: [] for case in STEPS}, done.stderr
    assert all(found[case]["steps"] >= steps for case, steps in STEPS.items()), found  # killed all along the way
