"""SIGKILL at every step of an evaluation: no answer that was noted is asked for again, and what is erased is gone."""

import json
from pathlib import Path

from tests.faults.conftest import Site

STEPS = {"evaluate": 30, "forget": 10}  # at least so many


def test_whatever_step_is_the_last_the_same_request_finishes_it(tmp_path: Path) -> None:
    done = Site(tmp_path).run("-m", "tests.faults.evaluation_kills")

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {verb: each["wrong"] for verb, each in found.items()} == {verb: [] for verb in STEPS}, done.stderr
    assert all(found[verb]["steps"] >= steps for verb, steps in STEPS.items()), found  # killed all along the way
