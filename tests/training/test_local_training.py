"""Fine-tuning on this machine, and calls answered by what came of it: real libraries, on a tiny model.

One file, so that one worker of the tests imports torch, and no more.
"""

import asyncio
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, cast

import pytest

from capture_app import acall_llm, call_llm
from capture_app.exceptions import CaptureConfigurationError
from capture_app.providers.local_models import LocalModels
from continuous_training.exceptions import TrainingCancelled, TrainingFailed
from continuous_training.training.trainers.local_lora import MODULE, TrainingStopped
from continuous_training.training.trainers.local_lora_process.options import LoraOptions
from continuous_training.training.trainers.local_lora_process.problems import Hopeless
from continuous_training.training.trainers.local_lora_process.stopping import Stop, Stopped
from demo.extraction_task import make_task, training_line
from tests.training.material import RUN, Training

pytestmark = [
    # transformers and peft warn of their own use of what they renamed, and torch of its own modules.
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

Make = Callable[..., Training]
TASK = make_task(n_train=600, n_gold=12)
LINES = [training_line(example) for example in TASK.train]


@pytest.fixture
def serve(capture: Callable[..., None]) -> Callable[[Path], None]:
    def configure(folder: Path, **options: Any) -> None:
        backend = "capture_app.providers.local_transformers.LocalTransformersProvider"
        capture(
            DEFAULT_PROVIDER="local",
            PROVIDERS={"local": {"BACKEND": backend, "OPTIONS": {"folder": str(folder), "device": "cpu", **options}}},
        )

    return configure


def right_fields(model: str) -> float:
    """The share of the gold set's fields that the model gives, in answers that are JSON."""
    right = 0
    for example in TASK.gold:
        text = call_llm(messages=example["messages"], model=model, parameters={"max_tokens": 40}).text
        try:
            given = json.loads(text)
        except ValueError:
            continue
        right += sum(given.get(name) == value for name, value in json.loads(example["expected_response"]).items())
    return right / (5 * len(TASK.gold))


# --- A run -----------------------------------------------------------------------------------------------------------


def test_a_tuned_model_does_the_task_better_than_its_base(
    training: Make, tiny_models: Path, serve: Callable[..., None]
) -> None:
    run = training(LINES)

    trained = run.advance()

    model = trained.folder
    assert (trained.provider, trained.model, model.name) == ("local", RUN, RUN)
    assert trained.metrics["validation_loss"] < trained.metrics["validation_loss_of_base"] / 2
    assert trained.metrics["chats"] == {"train": 540, "validation": 60, "too_long": 0, "unwritable": 0}
    assert run.steps[-1] == (34, 34)
    assert {path.name for path in model.glob("*.safetensors")} == {"model.safetensors"}
    assert {"tokenizer.json", "generation_config.json", "loss.png", "README.md"} <= {
        each.name for each in model.iterdir()
    }
    assert not (run.folder / "checkpoints").exists(), "what it learnt on the way is of no more use"
    assert list(run.data.parent.iterdir()) == [run.data], "the tokens of its data are as private as the data"
    run.base = "gone"
    assert run.advance() == trained, "a run that was killed after its model was there trains no more"

    check_card((model / "README.md").read_text())
    serve(model.parent, models={"base": str(tiny_models / "base")}, max_models=2)
    before, after = right_fields("base"), right_fields(RUN)
    print(f"Fields that are right: {before:.0%} by the base, {after:.0%} by the tuned model.")
    assert after > before + 0.3


def check_card(card: str) -> None:
    from huggingface_hub import ModelCard

    about = ModelCard(card).data
    assert (about.library_name, about.pipeline_tag, about.base_model) == ("transformers", "text-generation", None)
    assert "| `orders__b_.jsonl` | 600 | `" + "ab" * 32 + "` |" in card
    assert "| data kept back |" in card
    assert "Learnt: 540 answers; kept back to measure the loss: 60." in card


def test_a_killed_run_goes_on_from_its_last_checkpoint_and_comes_to_the_same_loss(training: Make) -> None:
    from continuous_training.training.trainers.local_lora_process.run import train

    run = training(LINES[:160], base="blank", checkpoint_every=2, output="adapter")

    def kill(step: int) -> None:
        if step == 5:
            [child] = children()
            os.kill(child, signal.SIGKILL)

    run.on_step = kill
    with pytest.raises(TrainingStopped, match="ended with the code -9"):
        run.advance()
    torn = run.folder / "checkpoints" / "checkpoint-99"
    torn.mkdir()  # as a kill in the middle of saving leaves one
    told: list[dict[str, Any]] = []
    resumed = train(run.job, Stop(), told.append)

    assert told[0]["step"] in (5, 6, 7)
    assert (run.job.target / "adapter_model.safetensors").exists()
    run.job.target.rename(run.folder / "resumed")
    (run.folder / "baseline.json").unlink()
    whole = train(run.job, Stop(), told.append)
    assert resumed["validation_loss"] == pytest.approx(whole["validation_loss"], rel=1e-5)
    assert resumed["validation_loss_of_base"] == pytest.approx(whole["validation_loss_of_base"], rel=1e-5)


def children() -> list[int]:
    path = Path(f"/proc/{os.getpid()}/task")
    found = (int(child) for task in path.iterdir() for child in (task / "children").read_text().split())
    return [pid for pid in found if MODULE.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_a_run_that_is_stopped_saves_what_it_learnt_so_far(training: Make) -> None:
    from continuous_training.training.trainers.local_lora_process.run import train

    run, stop = training(LINES[:100], base="blank", method="full", validation_share=0), Stop()

    def tell(event: dict[str, Any]) -> None:
        if event["step"] == 2:
            stop.ask()

    with pytest.raises(Stopped):
        train(run.job, stop, tell)

    assert [path.name for path in run.job.checkpoints.glob("checkpoint-*")] == ["checkpoint-2"]
    assert not run.job.target.exists()
    assert train(run.job, Stop(), lambda event: None)["steps"] == 7


def test_a_cancelled_run_leaves_nothing_that_was_learnt(training: Make) -> None:
    run = training(LINES[:1])
    run.job.checkpoints.mkdir()
    run.is_stopped = True

    with (run.folder / ".lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # so that it waits
        with pytest.raises(TrainingCancelled):
            run.advance()

    assert not run.job.checkpoints.exists()
    assert not run.job.target.exists()


@pytest.mark.parametrize("by_signal", [True, False])
def test_a_process_that_is_told_to_stop_or_loses_its_worker_stops(training: Make, by_signal: bool) -> None:
    run = training(LINES[:1])
    (run.folder / "job.json").write_bytes(run.job.as_json())
    command = [sys.executable, "-m", MODULE, str(run.folder / "job.json")]
    with (run.folder / ".lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # as a process does that is still saving its last checkpoint
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            while by_signal and not catches_sigterm(process.pid):
                pass
            if by_signal:
                process.terminate()
                told = cast(IO[bytes], process.stdout).readline()
            else:
                told, _ = process.communicate()
    assert json.loads(told) == {"event": "stopped"}


def catches_sigterm(pid: int) -> bool:
    caught = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


def test_a_base_that_is_nowhere_fails_the_run_in_words(training: Make) -> None:
    run = training(LINES[:20], base="blank")
    run.base = "nobody/nothing"

    with pytest.raises(
        TrainingFailed,
        match=r"'nobody/nothing' cannot be loaded: it is not on this machine, .*`hf download nobody/nothing`",
    ):
        run.advance()


# --- What is learnt, in this process -----------------------------------------------------------------------------


@pytest.fixture
def tokenizer(tiny_models: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_models / "blank")


GENERATION = (
    "{% for m in messages %}<|{{ m.role }}|>{% if m.role == 'assistant' %}{% generation %}{{ m.content }}<|end|>"
    "{% endgeneration %}{% else %}{{ m.content }}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
NEVER_ENDS = (
    "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


def learnt_text(tokenizer: Any, chat: dict[str, Any]) -> tuple[str, str]:
    """What is read, and what is learnt."""
    from continuous_training.training.trainers.local_lora_process.chats import Chat, encode

    *prompt, answer = chat["messages"]
    found = encode(tokenizer, Chat(prompt, answer, None))
    learnt = [label for label in found.labels if label != -100]
    assert found.labels[: -len(learnt)] == [-100] * (len(found.input_ids) - len(learnt))
    assert found.input_ids[-len(learnt) :] == learnt
    return tokenizer.decode(found.input_ids[: -len(learnt)]), tokenizer.decode(learnt)


@pytest.mark.parametrize("template", [None, GENERATION])
def test_only_the_answer_and_its_end_are_learnt(tokenizer: Any, template: str | None) -> None:
    tokenizer.chat_template = template or tokenizer.chat_template
    system, question, answer = (message["content"] for message in LINES[0]["messages"])

    read, learnt = learnt_text(tokenizer, LINES[0])

    assert read == f"<|system|>{system}<|end|><|user|>{question}<|end|><|assistant|>"
    assert learnt == f"{answer}<|end|>"


def test_a_template_that_writes_no_end_gets_one(tokenizer: Any) -> None:
    tokenizer.chat_template = NEVER_ENDS

    _, learnt = learnt_text(tokenizer, LINES[0])

    assert learnt.strip().endswith("}\n<|end|>")


def test_what_follows_the_end_of_the_turn_is_not_learnt(tokenizer: Any) -> None:
    tokenizer.chat_template = tokenizer.chat_template.replace("<|end|>", "<|end|>\n")

    _, learnt = learnt_text(tokenizer, LINES[0])

    assert learnt.endswith("}<|end|>")


def test_the_batches_that_the_trainer_makes_have_the_prompt_masked(training: Make) -> None:
    from continuous_training.training.trainers.local_lora_process.base import Base
    from continuous_training.training.trainers.local_lora_process.data import prepare
    from continuous_training.training.trainers.local_lora_process.learning import make_trainer

    long = {"messages": [{"role": "user", "content": "order " * 90}, {"role": "assistant", "content": "yes"}]}
    image = {
        "messages": [{"role": "user", "content": [{"type": "image_url"}]}, {"role": "assistant", "content": "yes"}]
    }
    run = training([*LINES[:40], long, image], base="blank", max_length=150)
    base = Base(run.base, options=run.job.options, use_gpu=False)
    data = prepare(run.job, base.tokenizer, Stop())
    batches = make_trainer(run.job, base, data, Stop(), print).get_train_dataloader()

    assert data.kept._asdict() == {"train": 36, "validation": 4, "too_long": 1, "unwritable": 1}
    answer = base.tokenizer.convert_tokens_to_ids("<|assistant|>")
    for batch in batches:
        for ids, labels in zip(batch["input_ids"].tolist(), batch["labels"].tolist(), strict=True):
            begin = ids.index(answer) + 1
            end = ids.index(base.tokenizer.pad_token_id) if base.tokenizer.pad_token_id in ids else len(ids)
            assert set(labels[:begin]) == {-100}
            assert labels[begin:end] == ids[begin:end]
            assert set(labels[end:]) <= {-100}


def test_chats_that_are_all_too_long_fail_the_run(training: Make, tokenizer: Any) -> None:
    from continuous_training.training.trainers.local_lora_process.data import prepare

    run = training(LINES[:3], max_length=10)

    with pytest.raises(Hopeless, match=r"3 are longer than max_length \(10 tokens\)"):
        prepare(run.job, tokenizer, Stop())


def test_weights_that_may_run_code_are_not_read(tiny_models: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from continuous_training.training.trainers.local_lora_process.base import Base

    folder = shutil.copytree(tiny_models / "blank", tmp_path / "pickled")
    model = AutoModelForCausalLM.from_pretrained(folder)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()

    with pytest.raises(Hopeless, match="it has no weights as safetensors"):
        Base(str(folder), options=LoraOptions(), use_gpu=False)


# --- Calls -----------------------------------------------------------------------------------------------------------

ASK = {"messages": TASK.gold[0]["messages"], "model": "base"}


@pytest.fixture
def serving(tiny_models: Path, serve: Callable[..., None]) -> None:
    serve(tiny_models)


@pytest.mark.usefixtures("serving")
def test_a_call_is_answered_and_its_tokens_are_counted(tokenizer: Any) -> None:
    response = call_llm(**ASK)

    ids = tokenizer.apply_chat_template(ASK["messages"], add_generation_prompt=True, return_dict=False)
    assert response.input_tokens == len(ids)
    assert response.output_tokens == len(tokenizer(response.text)["input_ids"]) + 1, "with the one that ends it"
    assert (response.provider, response.model, response.finish_reason) == ("local", "base", "stop")


@pytest.mark.usefixtures("serving")
def test_a_stream_gives_the_same_in_pieces() -> None:
    whole = call_llm(**ASK)

    stream = call_llm(**ASK, stream=True)
    pieces = [delta.text for delta in stream]

    assert "".join(pieces) == whole.text
    assert len([piece for piece in pieces if piece]) > 3
    assert stream.response._replace(latency_ms=0) == whole._replace(latency_ms=0)


@pytest.mark.usefixtures("serving")
def test_parameters_shape_the_answer() -> None:
    whole = call_llm(**ASK).text

    short = call_llm(**ASK, parameters={"max_tokens": 2})
    assert (short.output_tokens, short.finish_reason) == (2, "length")
    middle = whole[5:8]
    cut = call_llm(**ASK, parameters={"stop": ["never said", middle]})
    assert (cut.text, cut.finish_reason) == (whole[: whole.index(middle)], "stop")
    hot = [call_llm(**ASK, parameters={"temperature": 5.0, "seed": seed}).text for seed in (1, 1, 2)]
    assert hot[0] == hot[1] != hot[2]
    assert call_llm(**ASK, parameters={"temperature": 0}).text == whole


@pytest.mark.usefixtures("serving")
async def test_calls_at_the_same_time_get_the_answers_they_get_alone() -> None:
    alone = [call_llm(messages=each["messages"], model="base").text for each in TASK.gold[:4]]

    asked = [acall_llm(messages=each["messages"], model="base") for each in TASK.gold[:4]]
    together = [response.text for response in await asyncio.gather(*asked)]
    stream = await acall_llm(**ASK, stream=True)

    assert together == alone
    assert "".join([delta.text async for delta in stream]) == alone[0]


@pytest.mark.usefixtures("serving")
def test_a_stream_that_is_left_stops_no_other_call() -> None:
    stream = call_llm(**ASK, stream=True, parameters={"temperature": 9.0, "max_tokens": 400})
    next(stream)

    assert call_llm(**ASK).finish_reason == "stop"
    stream.close()


@pytest.mark.usefixtures("serving")
def test_a_forked_process_answers_too() -> None:
    whole = call_llm(**ASK).text
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # that a fork of a process with threads may hang: it must not
        child = os.fork()
    if child == 0:
        os.write(write, call_llm(**ASK).text.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as answer:
        assert answer.read().decode() == whole
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.usefixtures("serving")
def test_a_prompt_that_the_model_cannot_read_is_refused() -> None:
    with pytest.raises(ValueError, match=r"has 603 tokens, and the model 'base' reads at most 511\."):
        call_llm("tea " * 300, model="base")


def test_the_model_that_was_not_asked_for_longest_makes_room(tiny_models: Path) -> None:
    models = LocalModels(tiny_models, {"again": str(tiny_models / "base")}, device="cpu", most=2)
    with models.lock:
        first = [models.get(name) for name in ("base", "blank", "base", "again")]
        assert models.get("base").model is first[0].model
        assert models.get("blank").model is not first[1].model


def test_a_folder_that_holds_no_model_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    models = LocalModels(tmp_path, {}, device="cpu", most=1)

    with models.lock, pytest.raises(CaptureConfigurationError, match=r"The model 'broken' cannot be loaded from"):
        models.get("broken")
