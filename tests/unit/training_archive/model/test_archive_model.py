"""Any sequence of verbs, any of them killed at any step, leaves what a model of it predicts."""

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from tests.unit.training_archive.model.history import History
from tests.unit.training_archive.model.installation import Installations

USERS, CONVERSATIONS, TASKS = ("ada", "bob"), ("c1", "c2"), ("shop", "search")

# At which step a verb is killed, if it gets that far: about as many as it has with a few chunks.
STEPS = {
    "capture": 12,
    "take_in": 25,
    "drain": 130,
    "archive": 360,
    "merge": 250,
    "prune": 200,
    "erase": 750,
    "rebuild": 200,
}


def killing(verb: str) -> st.SearchStrategy[int | None]:
    return st.none() | st.integers(1, STEPS[verb])


calls = st.fixed_dictionaries(
    {
        "user": st.sampled_from(USERS),
        "conversation": st.sampled_from(CONVERSATIONS),
        "task": st.sampled_from(TASKS),
        "picture": st.sampled_from(("", "", "own", "shared 1", "shared 2")),
    }
)
chosen = st.lists(st.integers(0, 50), min_size=1, max_size=3)  # of all examples that ever were


class ArchiveMachine(RuleBasedStateMachine):
    """Draws what is done next."""

    make: Installations  # set by the test

    def __init__(self) -> None:
        super().__init__()
        self.history = History(self.make.new())
        self.model = self.history.model

    def do(self, verb: str, kill_at: int | None, **arguments: Any) -> None:
        note("killed:" if self.history.do(verb, kill_at, **arguments) else "done:")

    def ids(self, chosen: list[int]) -> list[str]:
        known = list(self.model.facts)  # in the order of their numbers
        return sorted({known[index % len(known)] for index in chosen}, key=known.index)

    @rule(made=st.lists(calls, min_size=1, max_size=3), kill=killing("capture"))
    def capture(self, made: list[dict[str, str]], kill: int | None) -> None:
        self.history.capture(*made, kill_at=kill)

    @rule(kill=killing("drain"))
    def drain(self, kill: int | None) -> None:
        self.do("drain", kill)

    @rule(roll=st.booleans(), kill=killing("archive"))
    def archive(self, roll: bool, kill: int | None) -> None:
        self.do("archive", kill, roll=roll)

    @precondition(lambda self: self.model.view["zips"])
    @rule(kill=killing("merge"))
    def merge(self, kill: int | None) -> None:
        self.do("merge", kill)

    @precondition(lambda self: self.model.view["zips"])
    @rule(back=st.integers(0, 10), kill=killing("prune"))
    def prune(self, back: int, kill: int | None) -> None:
        self.do("prune", kill, hours=max(0, len(self.model.calls) - back))

    @rule(user=st.sampled_from(USERS), kill=killing("erase"))
    def forget_user(self, user: str, kill: int | None) -> None:
        self.do("erase", kill, user=user)

    @rule(conversation=st.sampled_from(CONVERSATIONS), kill=killing("erase"))
    def forget_conversation(self, conversation: str, kill: int | None) -> None:
        self.do("erase", kill, conversation=conversation)

    @precondition(lambda self: self.model.facts)
    @rule(chosen=chosen, kill=killing("erase"))
    def forget_ids(self, chosen: list[int], kill: int | None) -> None:
        self.do("erase", kill, ids=self.ids(chosen))

    @rule(kill=killing("erase"))
    def finish_forgetting(self, kill: int | None) -> None:
        self.do("erase", kill)

    @rule(kill=killing("rebuild"))
    def rebuild(self, kill: int | None) -> None:
        self.do("rebuild", kill)

    @precondition(lambda self: self.model.facts)
    @rule(chosen=chosen, kill=killing("take_in"))
    def take_in(self, chosen: list[int], kill: int | None) -> None:
        self.history.take_in(self.ids(chosen), kill)

    def teardown(self) -> None:
        self.history.settle()


@pytest.mark.timeout(7200)
def test_any_sequence_of_verbs_and_kills_leaves_what_the_model_predicts(
    make: Installations, request: pytest.FixtureRequest
) -> None:
    long = request.config.getoption("--long")
    how = settings(
        max_examples=200 if long else 10,
        stateful_step_count=12,
        derandomize=not long,  # else `--hypothesis-seed` repeats a run
        database=None,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
        # Shrinking what was found may take longer than all other tests: it is for who looks into it.
        phases=[Phase.generate, *([Phase.shrink] if long else [])],
    )
    run_state_machine_as_test(type("Machine", (ArchiveMachine,), {"make": make}), settings=how)
