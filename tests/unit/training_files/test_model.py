"""Any sequence of verbs leaves in every version what a plain list says, byte for byte as if written anew."""

from itertools import count
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.unit.training_files.material import ADA, both_files, enriched, ids_in, stored, written_anew
from training_files import builds, service
from training_files.exceptions import InvalidRequest, NotFound
from training_files.models import TrainingFile, TrainingFilePart

pytestmark = pytest.mark.django_db

CONVERSATIONS: Final = 8
_first: Final = count(0, 60)  # of each machine's conversations; 60: what depends on the number repeats

Held = list[tuple[int, int]]  # number and edition of each conversation
some = st.lists(st.integers(0, CONVERSATIONS - 1), min_size=1, max_size=4, unique=True)


class TrainingFileMachine(RuleBasedStateMachine):
    """One training file, and what each of its versions must hold."""

    @initialize(chosen=some)
    def create(self, chosen: list[int]) -> None:
        self.first = next(_first)
        self.editions = dict.fromkeys(range(self.first, self.first + CONVERSATIONS), 0)
        stored(*self.editions)
        self.begin(chosen)

    def begin(self, chosen: list[int]) -> None:
        numbers = [self.first + each for each in chosen]
        made = service.create_training_file(
            f"file {self.first}", conversation_ids=[f"c{each}" for each in numbers], by=ADA
        )
        self.file_id = made.pk
        self.versions: list[Held] = [[(each, self.editions[each]) for each in numbers]]

    @property
    def current(self) -> Held:
        return self.versions[-1]

    @rule(chosen=some)
    def add(self, chosen: list[int]) -> None:
        numbers = [self.first + each for each in chosen]
        present = {number for number, _ in self.current} & set(numbers)
        ids = [f"c{each}" for each in numbers]
        if present:
            with pytest.raises(InvalidRequest) as refused:
                service.add_conversations(self.file_id, ids, by=ADA)
            assert {*refused.value.conversation_ids} == {f"c{each}" for each in present}
        else:
            service.add_conversations(self.file_id, ids, by=ADA)
            self.current.extend((each, self.editions[each]) for each in numbers)

    @rule(chosen=some)
    def build(self, chosen: list[int]) -> None:
        present = {number for number, _ in self.current}
        new = [self.first + each for each in chosen if self.first + each not in present]
        if new:
            ids = [f"c{self.first + each}" for each in chosen]
            builds.run_build(builds.start_build(self.file_id, conversation_ids=ids, by=ADA, skip_present=True).pk)
            self.current.extend((each, self.editions[each]) for each in new)

    @precondition(lambda self: self.current)
    @rule(chosen=st.data())
    def remove(self, chosen: st.DataObject) -> None:
        numbers = chosen.draw(
            st.lists(st.sampled_from([number for number, _ in self.current]), min_size=1, unique=True)
        )
        service.remove_conversations(self.file_id, [f"c{each}" for each in numbers], by=ADA)
        self.versions[-1] = [held for held in self.current if held[0] not in numbers]

    @rule()
    def new_version(self) -> None:
        service.new_version(self.file_id, by=ADA)
        self.versions.append(list(self.current))

    @rule(which=st.integers(0, CONVERSATIONS - 1))
    def change_conversation(self, which: int) -> None:
        self.editions[self.first + which] += 1
        stored(self.first + which, edition=self.editions[self.first + which])

    @rule(numbers=st.tuples(st.integers(0, 9), st.integers(0, 9)))
    def compare(self, numbers: tuple[int, int]) -> None:
        old, new = (number % len(self.versions) for number in numbers)
        found = service.diff_versions(self.file_id, old + 1, new + 1)
        before, after = dict(self.versions[old]), dict(self.versions[new])
        assert found.added == [f"c{each}" for each in after if each not in before]
        assert found.removed == [f"c{each}" for each in before if each not in after]
        assert found.changed == [f"c{each}" for each in after if each in before and before[each] != after[each]]

    @rule()
    def rename(self) -> None:
        service.rename_training_file(self.file_id, by=ADA, name=f"renamed {self.first}")
        service.rename_training_file(self.file_id, by=ADA, name=f"file {self.first}")

    @rule(chosen=some)
    def delete(self, chosen: list[int]) -> None:
        service.delete_training_file(self.file_id, by=ADA)
        with pytest.raises(NotFound):
            service.get_training_file(self.file_id)
        assert not TrainingFilePart.objects.filter(training_file=self.file_id).exists()
        self.begin(chosen)

    @invariant()
    def the_current_version_is_as_if_written_anew(self) -> None:
        if hasattr(self, "versions"):
            self.verify(len(self.versions))

    def verify(self, number: int) -> None:
        training_file: TrainingFile = service.get_training_file(self.file_id)
        held = self.versions[number - 1]
        described = service.describe(training_file, number)
        expected = written_anew(described, [enriched(each, edition=edition) for each, edition in held])
        assert both_files(training_file, number) == expected
        assert ids_in(described) == [f"c{each}" for each, _ in held]

    def teardown(self) -> None:
        for number in range(1, len(getattr(self, "versions", ())) + 1):
            self.verify(number)


def test_any_sequence_of_verbs_leaves_what_a_plain_list_says(request: pytest.FixtureRequest) -> None:
    long = request.config.getoption("--long")
    how = settings(
        max_examples=300 if long else 12,
        stateful_step_count=20 if long else 10,
        derandomize=not long,
        database=None,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    run_state_machine_as_test(TrainingFileMachine, settings=how)
