"""The hosted trainer, against a service on the loopback that is slow, refuses, lies, and dies."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from continuous_training.exceptions import ServiceSilent, TrainingCancelled, TrainingFailed
from continuous_training.training.trainers.base import Trained, TrainingJob, Waiting
from continuous_training.training.trainers.openai_compatible import OpenAICompatibleTrainer
from tests.integration.finetuning_server import Fault, FinetuningServer, finetuning_server
from tests.unit.continuous_training.training.material import chat, chat_file

RUN = "shop_2026w47-abc123"
FILES, JOBS, ONE_JOB = "/v1/files", "/v1/fine_tuning/jobs", "/v1/fine_tuning/jobs/"


@pytest.fixture
def service() -> Iterator[FinetuningServer]:
    with finetuning_server() as found:
        yield found


class Run:
    """A run of the trainer, as the state machine has it."""

    def __init__(self, service: FinetuningServer, folder: Path, **options: Any) -> None:
        given = {"price": 1.5, "settle": 0.0, "first_poll": 0.0, **options}
        self.trainer = OpenAICompatibleTrainer(base_url=service.base_url, api_key="secret", **given)
        self.folder = folder
        self.data = [chat_file(folder / "data/00001.jsonl", [chat("a"), chat("b")])]
        self.options: dict[str, Any] = {}
        self.saved: dict[str, Any] = {}
        self.steps: list[tuple[int, int, float | None]] = []
        self.is_stopped = False

    # The Reporter's part.
    def save(self, saved: Mapping[str, Any]) -> None:
        self.saved = dict(saved)

    def progress(self, *, step: int, steps: int, loss: float | None = None) -> None:
        self.steps.append((step, steps, loss))

    def is_cancelled(self) -> bool:
        return self.is_stopped

    @property
    def job(self) -> TrainingJob:
        return TrainingJob(
            run_id=RUN,
            folder=self.folder,
            data=self.data,
            base_model="small",
            options=self.options,
            saved=self.saved,
        )

    def advance(self) -> Trained | Waiting:
        return self.trainer.advance(self.job, self)

    def to_the_end(self) -> Trained:
        for _ in range(20):
            if isinstance(found := self.advance(), Trained):
                return found
        raise AssertionError("It never ends.")


@pytest.fixture
def run(service: FinetuningServer, tmp_path: Path) -> Callable[..., Run]:
    return lambda **options: Run(service, tmp_path, **options)


def test_a_model_comes_of_one_file_and_one_job(service: FinetuningServer, run: Callable[..., Run]) -> None:
    training = run()
    training.options = {"batch_size": 4, "seed": 7}

    trained = training.to_the_end()

    assert trained == Trained(
        provider="openai",
        model="ft:small:ftjob-1",
        metrics={"trained_tokens": 2_000_000, "seconds": 600, "job": "ftjob-1"},
        cost_usd=3.0,
    )
    assert (service.uploads, len(service.jobs)) == (1, 1)
    assert service.contents["file-1"] == training.data[0].read_bytes()
    assert service.bodies == [
        {
            "model": "small",
            "training_file": "file-1",
            "suffix": RUN,
            "metadata": {"gleaner_run": RUN},
            "hyperparameters": {"batch_size": 4, "n_epochs": 1},
            "seed": 7,
        }
    ]
    assert service.files == {}  # what people wrote does not stay there
    assert training.steps == [(2, 10, 0.5), (4, 10, 0.25), (6, 10, pytest.approx(1 / 6))]


def test_the_file_is_named_after_the_run_and_several_are_sent_as_one(
    service: FinetuningServer, run: Callable[..., Run], tmp_path: Path
) -> None:
    training = run()
    training.data.append(chat_file(tmp_path / "data/00002.jsonl", [chat("c")]))

    training.advance()

    [file] = service.files.values()
    assert file["filename"].startswith(f"{RUN}-")
    assert service.contents["file-1"] == b"".join(path.read_bytes() for path in training.data)


def test_data_that_the_service_would_not_take_are_not_sent(service: FinetuningServer, run: Callable[..., Run]) -> None:
    with pytest.raises(TrainingFailed, match=r"the service takes 100 at most\. Nothing was sent"):
        run(max_bytes=100).advance()

    assert service.requests == []


def test_options_that_it_does_not_know_are_refused(run: Callable[..., Run]) -> None:
    run().trainer.check_options({"n_epochs": 2, "seed": 1})

    with pytest.raises(TrainingFailed, match="takes no option 'lora_r'; it takes batch_size"):
        run().trainer.check_options({"lora_r": 8})


def test_address_and_key_are_those_of_the_provider_unless_told(
    service: FinetuningServer, run: Callable[..., Run], capture: Callable[..., None]
) -> None:
    capture(
        PROVIDERS={"hosted": {"BACKEND": "x", "OPTIONS": {"base_url": service.base_url, "api_key": "k", "timeout": 3}}}
    )
    training = run()
    training.trainer = OpenAICompatibleTrainer(provider="hosted", settle=0, first_poll=0)

    trained = training.to_the_end()

    assert (trained.provider, trained.cost_usd) == ("hosted", None)  # without a price nobody knows what it cost


def test_it_polls_with_longer_and_longer_pauses_that_differ(run: Callable[..., Run], service: FinetuningServer) -> None:
    service.statuses = ("running",)
    training = run(first_poll=10, longest_poll=60)
    training.advance()

    pauses = [found.seconds for found in (training.advance() for _ in range(6)) if isinstance(found, Waiting)]

    assert all(
        0.8 * usual <= pause <= 1.2 * usual for usual, pause in zip((10, 20, 40, 60, 60, 60), pauses, strict=True)
    )
    assert len(set(pauses)) == 6


def test_a_job_that_fails_says_why_and_leaves_no_data_there(service: FinetuningServer, run: Callable[..., Run]) -> None:
    service.statuses = ("running", "failed")

    with pytest.raises(TrainingFailed, match=r"job ftjob-1 failed: The loss is not finite\."):
        run().to_the_end()

    assert service.files == {}


def test_a_job_that_was_cancelled_there_is_cancelled_here(service: FinetuningServer, run: Callable[..., Run]) -> None:
    service.statuses = ("running", "cancelled")

    with pytest.raises(TrainingCancelled):
        run().to_the_end()


def test_a_job_that_is_not_done_by_its_deadline_is_cancelled(
    service: FinetuningServer, run: Callable[..., Run]
) -> None:
    service.statuses = ("running",)
    training = run(deadline_hours=0)
    training.advance()
    training.advance()

    with pytest.raises(TrainingFailed, match="ftjob-1 was not done after 0 hours, and was cancelled"):
        training.advance()

    assert service.jobs["ftjob-1"]["status"] == "cancelled"
    assert service.files == {}


def test_a_job_that_cannot_be_cancelled_at_its_deadline_is_said_to_go_on(
    service: FinetuningServer, run: Callable[..., Run]
) -> None:
    service.statuses = ("running",)
    service.faults = [Fault(f"POST {ONE_JOB}ftjob-1/cancel", 403)]
    training = run(deadline_hours=0)
    training.advance()
    training.advance()

    with pytest.raises(TrainingFailed, match="could not be cancelled: it is 'running' there"):
        training.advance()


# --- What is refused, and what is only late --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        *((f"POST {JOBS}", status) for status in (400, 401, 403, 404, 422)),
        (f"POST {FILES}", 400),
        (f"GET {FILES}", 401),
        (f"GET {JOBS}", 404),
    ],
)
def test_a_refusal_ends_the_run_in_the_services_words(
    service: FinetuningServer, run: Callable[..., Run], request_: str, status: int
) -> None:
    service.faults = [Fault(request_, status, {"error": {"message": "No.\x1b[31m\nBuy <more>" + "!" * 900}})]

    with pytest.raises(TrainingFailed) as failed:
        run().to_the_end()

    assert f"({status}): No. [31m Buy <more>!!!" in str(failed.value)
    assert len(str(failed.value)) < 600
    assert len(service.jobs) == 0


def test_a_quota_that_is_used_up_is_no_reason_to_wait(service: FinetuningServer, run: Callable[..., Run]) -> None:
    body = {"error": {"message": "You exceeded your current quota.", "code": "insufficient_quota"}}
    service.faults = [Fault(f"POST {JOBS}", 429, body)]

    with pytest.raises(TrainingFailed, match="You exceeded your current quota"):
        run().to_the_end()

    assert service.files == {}  # of a job that was refused, too


LATE = [
    Fault("", 429),
    Fault("", 500),
    Fault("", 503),
    Fault("", 409),
    Fault("", is_cut=True),
    Fault("", is_cut=True, is_done=True),
    Fault("", 500, is_done=True),
    Fault("", 200, b"<html>Sign in</html>", {"Content-Type": "text/html"}),
    Fault("", 200, b'{"id": "ftj'),
    Fault("", 200, b'{"id": "ftj', is_done=True),
    Fault("", 200, {}),
    Fault("", 200, [1]),
    Fault("", 200, {"id": 5, "status": 7, "data": "x"}),
    Fault("", 200, {"data": [{"id": None}, 3]}),
]


@pytest.mark.parametrize(
    ("request_", "fault"),
    [
        *((f"POST {JOBS}", fault) for fault in LATE),
        *((f"POST {FILES}", fault) for fault in LATE[4:7]),
        *(
            (request, fault)
            for request in (f"GET {FILES}", f"GET {JOBS}", f"GET {ONE_JOB}ftjob-1")
            for fault in LATE[-3:]
        ),
    ],
)
def test_what_is_not_understood_is_asked_again_and_paid_once(
    service: FinetuningServer, run: Callable[..., Run], request_: str, fault: Fault
) -> None:
    service.faults = [Fault(**{**vars(fault), "request": request_})]

    trained = run().to_the_end()

    assert trained.model == "ft:small:ftjob-1"
    assert len(service.jobs) == 1
    assert service.uploads == 1


def test_the_service_may_say_when_it_wants_to_be_asked_again(
    service: FinetuningServer, run: Callable[..., Run]
) -> None:
    training = run()
    waits = []
    for after in ("17", "Fri, 31 Dec 2100 23:59:59 GMT", "soon", "99999"):
        service.faults = [Fault(f"GET {FILES}", 429, headers={"Retry-After": after})]
        found = training.advance()
        assert isinstance(found, Waiting)
        waits.append(found.seconds)

    assert waits == [17, 3600, 0, 3600]  # no longer than an hour, whatever it says


def test_a_service_that_is_silent_until_the_deadline_has_failed(
    service: FinetuningServer, run: Callable[..., Run]
) -> None:
    service.faults = [Fault(f"GET {ONE_JOB}", 503) for _ in range(9)]
    training = run(deadline_hours=0)
    training.advance()
    training.advance()
    training.advance()

    with pytest.raises(TrainingFailed, match=r"could not look at the job ftjob-1 \(503.*ftjob-1 may go on there"):
        training.advance()


def test_trouble_that_passes_is_forgotten(service: FinetuningServer, run: Callable[..., Run]) -> None:
    service.faults = [Fault(f"GET {FILES}", 503)]
    training = run()
    training.advance()
    assert "trouble_since" in training.saved

    training.advance()

    assert "trouble_since" not in training.saved


def test_no_address_answers_as_no_service_does(run: Callable[..., Run]) -> None:
    training = run()
    training.trainer = OpenAICompatibleTrainer(base_url="http://127.0.0.1:1/v1", api_key="k")

    assert isinstance(training.advance(), Waiting)


def test_without_a_key_it_is_said_what_is_missing(
    run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, capture: Callable[..., None]
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    capture(PROVIDERS={})
    training = run()
    training.trainer = OpenAICompatibleTrainer()

    with pytest.raises(TrainingFailed, match="api_key"):
        training.advance()


@pytest.mark.parametrize(
    "facts",
    [
        {"fine_tuned_model": None},
        {"fine_tuned_model": 7},
        {"status": "paused"},
        {"status": None},
    ],
)
def test_a_job_that_says_nothing_clear_is_waited_for(
    service: FinetuningServer, run: Callable[..., Run], facts: dict[str, Any]
) -> None:
    service.job_facts = facts
    training = run()
    for _ in range(6):
        assert isinstance(training.advance(), Waiting)
    service.job_facts = {}

    assert training.to_the_end().model == "ft:small:ftjob-1"


def test_figures_that_are_none_are_not_believed(service: FinetuningServer, run: Callable[..., Run]) -> None:
    service.job_facts = {"trained_tokens": "many", "finished_at": -5}

    trained = run().to_the_end()

    assert (trained.cost_usd, trained.metrics["trained_tokens"], trained.metrics["seconds"]) == (None, None, None)


def test_a_service_without_events_trains_as_well(service: FinetuningServer, run: Callable[..., Run]) -> None:
    service.faults = [Fault(f"GET {ONE_JOB}ftjob-1/events", 404) for _ in range(9)]
    training = run()

    training.to_the_end()

    assert training.steps == []


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
