"""The hosted trainer pays once, whatever is lost on the way; and what it began can be cancelled and removed."""

from collections.abc import Callable

import pytest

from continuous_training.exceptions import ServiceSilent, TrainingCancelled, TrainingFailed
from continuous_training.training.trainers.base import Trained, Waiting
from tests.integration.finetuning_server import Fault, FinetuningServer
from tests.unit.continuous_training.training.trainers.hosted import FILES, JOBS, RUN, Run

# --- Never twice -----------------------------------------------------------------------------------------------------


def test_a_job_that_was_created_but_not_noted_is_found_again(
    service: FinetuningServer, run: Callable[..., Run]
) -> None:
    training = run()
    training.advance()
    before = dict(training.saved)
    training.advance()
    training.saved = before  # as a kill right behind the creation leaves it

    training.to_the_end()

    assert (len(service.jobs), service.uploads) == (1, 1)


@pytest.mark.parametrize("kept", ["metadata", "training_file", "user_provided_suffix"])
def test_any_of_its_marks_tells_whose_a_job_is(service: FinetuningServer, run: Callable[..., Run], kept: str) -> None:
    training = run()
    training.advance()
    mark = {"metadata": {"gleaner_run": RUN}, "training_file": "file-1", "user_provided_suffix": RUN}[kept]
    service.create_job({"model": "small", "training_file": "other"})
    service.create_job({"model": "small", "training_file": "other"})
    service.jobs["ftjob-2"][kept] = mark

    training.advance()

    assert training.saved["job"] == "ftjob-2"


def test_a_file_that_arrived_in_part_is_sent_again(service: FinetuningServer, run: Callable[..., Run]) -> None:
    training = run()
    training.advance()
    service.files["file-1"]["bytes"] -= 1
    training.saved = {}

    training.advance()

    assert (service.uploads, training.saved["file"]) == (2, "file-2")


def test_what_was_asked_for_is_given_time_to_be_listed(service: FinetuningServer, run: Callable[..., Run]) -> None:
    """A service that lists late, and whose answer to the creation was lost."""
    service.faults = [Fault(f"POST {JOBS}", is_cut=True, is_done=True)]
    training = run(settle=30)
    training.advance()
    training.advance()
    service.lists = False

    waiting = training.advance()

    assert isinstance(waiting, Waiting)
    assert 20 < waiting.seconds <= 30
    assert len(service.jobs) == 1
    service.lists = True
    training.advance()
    assert training.saved["job"] == "ftjob-1"


def test_a_list_that_repeats_itself_for_ever_comes_to_an_end(
    service: FinetuningServer, run: Callable[..., Run]
) -> None:
    training = run()
    training.advance()
    endless = {"data": [{"id": "ftjob-9", "training_file": "other"}], "has_more": True}
    service.faults = [Fault(f"GET {JOBS}", 200, endless) for _ in range(5)]

    training.advance()

    assert training.saved["job"] == "ftjob-1"
    assert service.requests.count(f"GET {JOBS}") == 2


def test_it_is_committed_once_it_has_a_job(run: Callable[..., Run]) -> None:
    trainer = run().trainer

    assert [trainer.is_committed(saved) for saved in ({}, {"file": "f", "creating_since": 1.0}, {"job": "j"})] == [
        False,
        False,
        True,
    ]


# --- Cancelling and removing -----------------------------------------------------------------------------------------


def test_a_run_is_cancelled_there_and_its_data_are_deleted(service: FinetuningServer, run: Callable[..., Run]) -> None:
    training = run()
    service.statuses = ("running",)
    for _ in range(3):
        training.advance()

    assert training.trainer.cancel(training.job) is None
    assert training.trainer.cancel(training.job) is None  # again, after a kill

    assert service.jobs["ftjob-1"]["status"] == "cancelled"
    assert service.files == {}


@pytest.mark.parametrize("steps", [0, 1])
def test_a_run_without_a_job_is_cancelled_too(service: FinetuningServer, run: Callable[..., Run], steps: int) -> None:
    training = run()
    for _ in range(steps):
        training.advance()

    assert training.trainer.cancel(training.job) is None

    assert (service.files, service.jobs) == ({}, {})


def test_an_upload_that_was_not_noted_is_deleted_when_the_run_is_cancelled(
    service: FinetuningServer, run: Callable[..., Run]
) -> None:
    service.faults = [Fault(f"POST {FILES}", is_cut=True, is_done=True)]
    service.upload("somebody-elses.jsonl", b"{}")
    training = run()
    training.advance()

    training.trainer.cancel(training.job)

    assert list(service.files) == ["file-1"]


def test_a_model_that_was_done_before_is_kept(service: FinetuningServer, run: Callable[..., Run]) -> None:
    service.statuses = ("running", "succeeded")
    training = run()
    for _ in range(3):
        training.advance()
    service.look(service.jobs["ftjob-1"])  # it is done, and nobody here knows

    trained = training.trainer.cancel(training.job)

    assert isinstance(trained, Trained)
    assert (trained.model, trained.cost_usd) == ("ft:small:ftjob-1", 3.0)


def test_a_job_that_may_have_been_created_is_looked_for_before_a_run_is_said_to_be_cancelled(
    service: FinetuningServer, run: Callable[..., Run]
) -> None:
    service.faults = [Fault(f"POST {JOBS}", is_cut=True, is_done=True)]
    training = run(settle=30)
    training.advance()
    training.advance()
    service.lists = False
    with pytest.raises(ServiceSilent, match="cannot be told yet"):
        training.trainer.cancel(training.job)
    service.lists = True

    training.trainer.cancel(training.job)

    assert service.jobs["ftjob-1"]["status"] == "cancelled"


def test_who_is_asked_to_stop_before_the_job_is_created_creates_none(
    service: FinetuningServer, run: Callable[..., Run]
) -> None:
    training = run()
    training.advance()
    training.is_stopped = True

    with pytest.raises(TrainingCancelled):
        training.advance()

    assert (service.files, service.jobs) == ({}, {})


def test_a_model_is_removed_there_once(service: FinetuningServer, run: Callable[..., Run]) -> None:
    trained = run().to_the_end()
    trainer = run().trainer

    trainer.remove(trained.model, None)
    trainer.remove(trained.model, None)

    assert service.models == []


def test_a_model_that_may_not_be_removed_is_said_to_stay(service: FinetuningServer, run: Callable[..., Run]) -> None:
    service.faults = [Fault("DELETE /v1/models/ft:x", 403)]

    with pytest.raises(TrainingFailed, match="refused to delete the model ft:x"):
        run().trainer.remove("ft:x", None)
