"""Calls become a model that answers the calls, and the way back: by the commands, in the order of their use."""

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

from capture_app import call_llm
from capture_app.models import ExampleIndex
from capture_app.routing.table import look_again
from capture_app.services import drain_captures
from continuous_training.models import Promotion, TrainedModel
from demo.extraction_task import SLOT_SPECS, TASK, make_task

pytestmark = [
    pytest.mark.django_db(transaction=True),
    # As in test_local_training.
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

CALLS, QUESTIONS = 320, 30
MAILS = make_task(n_train=CALLS, n_gold=QUESTIONS)
LEARNING = ("batch_size=16", "learning_rate=1e-2", "epochs=3", "rank=32")


def run(*arguments: Any) -> Any:
    out = StringIO()
    call_command(*map(str, arguments), "--json", stdout=out)
    return json.loads(out.getvalue())


def answered_by() -> str:
    look_again()
    return call_llm(messages=MAILS.train[0]["messages"], task=TASK).provider


@pytest.fixture
def master(tiny_models: Path, tmp_path: Path, data_dir: Path, capture: Callable[..., None], settings: Any) -> Path:
    """An expert that answers, a small model that may learn to, and a gate that lets it be somewhat worse."""
    capture(
        PROVIDERS={
            "expert": {"BACKEND": "demo.loop.expert.ExpertProvider", "OPTIONS": {"latency": 0}},
            "local": {
                "BACKEND": "capture_app.providers.local_transformers.LocalTransformersProvider",
                "OPTIONS": {"folder": str(data_dir / "models"), "device": "cpu"},
            },
        },
        DEFAULT_PROVIDER="expert",
        DEFAULT_MODEL="expert-large",
    )
    gold = tmp_path / "gold.jsonl"
    gold.write_text("".join(json.dumps(item) + "\n" for item in MAILS.gold))
    settings.CONTINUOUS_TRAINING = {
        "DEFAULT_BASE_MODEL": str(tiny_models / "base"),
        "TRAINERS": {
            "local_lora": {
                "BACKEND": "continuous_training.training.trainers.local_lora.LocalLoraTrainer",
                "OPTIONS": {"device": "cpu"},
            }
        },
        "GOLD_SETS": {TASK: str(gold)},
        "EVALUATION_CONCURRENCY": 1,
        "GATE": {"MIN_GAIN": -1, "MIN_GAIN_LOW": -1, "MAX_CATEGORY_LOSS": None, "MAX_LATENCY_RATIO": None},
    }
    User.objects.create_superuser("ada")
    return data_dir / "exports" / "master_fine_tune.jsonl"


def test_calls_become_a_model_that_answers_them_and_the_way_back(master: Path) -> None:
    for mail in MAILS.train:
        call_llm(messages=mail["messages"], task=TASK, training_metadata={"slot_specs": SLOT_SPECS})
    call_llm(messages=MAILS.gold[0]["messages"], task=TASK, training_metadata={})  # what will be asked is asked before
    assert run("archive_training_data")["drained_rows"] == CALLS + 1

    run("export_finetune")
    lines = master.read_text().splitlines()
    assert len(lines) == CALLS
    assert not any(MAILS.gold[0]["messages"][-1]["content"] in line for line in lines)

    options = [part for option in LEARNING for part in ("--option", option)]
    trained = run("finetune", TASK, "--wait", *options)
    assert trained["state"] == "succeeded"
    model = TrainedModel.objects.get()
    assert answered_by() == "expert"

    evaluation = run("evaluate_model", TASK, "--candidate", f"local/{model.model}")
    assert evaluation["candidate"]["errors"] == 0
    assert evaluation["incumbent"]["score"] > 0.9

    assert run("propose_promotion", evaluation["id"], "--by", "the loop")["state"] == "proposed"
    assert answered_by() == "expert"
    promotion = Promotion.objects.get()
    assert (promotion.trained_model, promotion.data["pairs"]) == (model, CALLS)

    run("decide_promotion", promotion.pk, "--approve", "--by", "ada", "--reason", "good enough")
    assert answered_by() == "local"
    recorded = call_llm(messages=MAILS.train[1]["messages"], task=TASK, training_metadata={})
    drain_captures()
    example = ExampleIndex.objects.get(pk=recorded.example_id)
    assert (example.provider, example.model_name) == ("local", model.model)

    run("decide_promotion", promotion.pk, "--roll-back", "--by", "ada", "--reason", "to see it go")
    assert answered_by() == "expert"
