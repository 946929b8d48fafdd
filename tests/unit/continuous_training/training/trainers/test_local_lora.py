"""What local_lora does before its process begins; training itself is in tests/training."""

from pathlib import Path
from typing import Any

import pytest

from continuous_training.exceptions import TrainingFailed
from continuous_training.training.trainers import local_lora
from continuous_training.training.trainers.base import TrainingJob
from continuous_training.training.trainers.local_lora import LocalLoraTrainer
from continuous_training.training.trainers.local_lora_process.chats import kept_back, read_chats
from continuous_training.training.trainers.local_lora_process.job import Job
from continuous_training.training.trainers.local_lora_process.options import LoraOptions
from continuous_training.training.trainers.local_lora_process.problems import base_problem, hopeless
from tests.unit.continuous_training.training.material import chat, chat_file


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"epoch": 2}, r"takes no option 'epoch'; it takes method, output,"),
        ({"epochs": "2"}, r"epochs of local_lora has to be a number from 0\.01 to 1000, not '2'"),
        ({"rank": True}, r"rank of local_lora has to be a whole number from 1 on, not True"),
        ({"learning_rate": float("nan")}, r"learning_rate of local_lora has to be a number"),
        ({"output": "pickle"}, r"output of local_lora has to be one of 'merged', 'adapter', not 'pickle'"),
        ({"targets": []}, r"targets of local_lora has to be 'all-linear' or a list of names"),
    ],
)
def test_options_that_cannot_be_followed_are_refused_before_the_run(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(TrainingFailed, match=problem):
        LocalLoraTrainer().check_options(options)
    with pytest.raises(ValueError, match=problem):
        LocalLoraTrainer(**options)


def test_a_run_without_its_libraries_fails_and_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_lora, "NEEDED", ("json", "no_such_library"))

    with pytest.raises(TrainingFailed, match=r"no no_such_library, .* Install requirements-training\.txt"):
        LocalLoraTrainer().advance(asked(tmp_path), None)  # type: ignore[arg-type]  # it does not come to tell anything


def asked(folder: Path) -> TrainingJob:
    return TrainingJob(run_id="r", folder=folder, data=[], base_model="b", options={}, saved={})


def test_a_job_is_read_as_it_was_written(tmp_path: Path) -> None:
    job = Job(
        run_id="r",
        task="t",
        folder=tmp_path,
        scratch=tmp_path / "s",
        data=[tmp_path / "d"],
        base_model="b",
        target=tmp_path / "m" / "r",
        options=LoraOptions(epochs=2),
        about_data={"files": []},
    )
    (tmp_path / "job.json").write_bytes(job.as_json())

    assert Job.read(tmp_path / "job.json") == job
    assert job.unfinished.name == ".r.unfinished", "no provider serves what begins with a dot"


def test_the_last_answer_is_learnt_or_each_that_has_a_weight(tmp_path: Path) -> None:
    turns = [("user", "a"), ("assistant", "1"), ("user", "b"), ("assistant", "2"), ("user", "c"), ("assistant", "3")]
    messages: list[dict[str, Any]] = [{"role": role, "content": content} for role, content in turns]
    messages[3]["weight"] = 0
    path = chat_file(tmp_path / "chats.jsonl", [{"messages": messages}])

    def answers(which: str) -> list[tuple[int, str]]:
        return [(len(chat.prompt), chat.answer["content"]) for chat in read_chats([path], answers=which)]

    assert answers("last") == [(5, "3")]
    assert answers("all") == [(1, "1"), (5, "3")]


def test_a_prompt_is_wholly_kept_back_or_wholly_learnt(tmp_path: Path) -> None:
    path = chat_file(tmp_path / "chats.jsonl", [chat(f"question {number % 20}") for number in range(60)])
    chats = list(read_chats([path], answers="last"))

    back = kept_back(chats, share=0.2, most=100, seed=1)

    assert len(back) == 4
    assert back == kept_back(reversed(chats), share=0.2, most=100, seed=1)
    assert back != kept_back(chats, share=0.2, most=100, seed=2)
    assert len(kept_back(chats, share=0.5, most=3, seed=1)) == 3
    assert not kept_back(chats[:9], share=0.5, most=3, seed=1)


class OutOfMemoryError(RuntimeError):
    """By its name as torch has it."""


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (OSError(28, "No space left on device"), "no room left on the disk"),
        (RuntimeError("[enforce fail] PytorchStreamWriter failed writing file data/3"), "no room left on the disk"),
        (MemoryError(), "Lower batch_size"),
        (OutOfMemoryError("CUDA out of memory."), "Lower batch_size"),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes"), "Lower batch_size"),
    ],
)
def test_what_would_only_be_repeated_is_said_in_words(error: Exception, problem: str) -> None:
    wrapped = RuntimeError("in the middle of something")
    wrapped.__cause__ = error

    assert problem in str(hopeless(wrapped))


def test_what_may_pass_is_tried_again() -> None:
    assert hopeless(ConnectionError("reset")) is None


class GatedRepoError(OSError):
    """By its name as the hub's library has it."""


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (GatedRepoError("403"), "Agree to them at https://huggingface.co/a/b"),
        (OSError("a/b does not appear to have a file named model.safetensors"), "no weights as safetensors"),
        (ValueError("Please pass the argument `trust_remote_code=True`"), "which is never run"),
        (KeyError("model_type"), "holds no complete model that transformers knows"),
    ],
)
def test_a_base_that_cannot_be_loaded_is_told_with_what_to_do(error: Exception, problem: str) -> None:
    assert problem in str(base_problem("a/b", error))
