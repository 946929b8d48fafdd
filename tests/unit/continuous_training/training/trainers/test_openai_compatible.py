"""The hosted trainer, against a service on the loopback that is slow, refuses, lies, and dies."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from continuous_training.exceptions import TrainingCancelled, TrainingFailed
from continuous_training.training.trainers.base import Trained, Waiting
from continuous_training.training.trainers.openai_compatible import OpenAICompatibleTrainer
from tests.integration.finetuning_server import Fault, FinetuningServer
from tests.unit.continuous_training.training.material import chat, chat_file
from tests.unit.continuous_training.training.trainers.hosted import FILES, JOBS, ONE_JOB, RUN, Run


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
