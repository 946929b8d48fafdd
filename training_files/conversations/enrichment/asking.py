"""A question to the model, asked again when the answer is of no use, and never again once it was of use."""

import hashlib
import logging
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from capture_app.budgets import require_budget
from capture_app.client import call_llm
from capture_app.context import resumed_context
from capture_app.exceptions import CaptureConfigurationError, CaptureError
from capture_app.messages import Message
from capture_app.providers import get_provider
from capture_app.providers.offline import OfflineProvider
from capture_app.responses import LLMResponse
from training_archive.exceptions import ArchiveError
from training_archive.services.forgetting import forget
from training_files.conf import training_files_settings
from training_files.conversations.captured import ENRICHES
from training_files.conversations.enrichment.steps import Step
from training_files.exceptions import TrainingFilesError
from training_files.models import Conversation, EnrichmentAnswer

ATTEMPTS: Final = 3

logger = logging.getLogger("training_files")


class NoAnswer(TrainingFilesError):
    """A model could not be asked, or none is there to be asked."""

    def __init__(self, problem: str, *, is_final: bool) -> None:
        super().__init__(problem)
        self.is_final = is_final  # nobody else needs to ask, either


class UselessAnswer(TrainingFilesError):
    """A model was asked ATTEMPTS times, and never answered as it should."""


class ConversationGone(TrainingFilesError):
    """It was deleted while a model was asked about it."""


def ask(conversation_id: str, step: Step) -> dict[str, Any]:
    """The answer, checked: the one that is kept, or the model's. Not within a transaction.

    Raises NoAnswer, UselessAnswer and ConversationGone, and BudgetSpent before a question that there is no money for.
    """
    messages = step.messages()
    digest = hashlib.sha256(orjson.dumps(messages)).hexdigest()
    kept = EnrichmentAnswer.objects.filter(
        conversation=conversation_id, step=step.name, question_sha256=digest, answer__isnull=False
    ).first()
    if kept:
        answer: Any = kept.answer
        return {**answer}
    problem = ""
    for _ in range(ATTEMPTS):
        require_budget(training_files_settings().enrichment_task, "enrichment")
        response = _call(conversation_id, step, messages)
        found, problem = step.read(response.text)
        _keep(conversation_id, step, digest, found, response.example_id or "")
        _refuse_offline(response)
        if found is not None:
            return found
        messages = [*step.messages(), *step.again(response.text, problem)]
    raise UselessAnswer(
        f"Asked {ATTEMPTS} times for {step.name}, the model gave nothing of use. In the end: {problem}."
    )


def _call(conversation_id: str, step: Step, messages: list[Message]) -> LLMResponse:
    """Captured like any call, but in no conversation: what surrounds the run is not what is asked about."""
    task = training_files_settings().enrichment_task
    try:
        with resumed_context({}):
            return call_llm(
                messages=messages,
                task=task,
                training_metadata={ENRICHES: conversation_id, "enrichment_step": step.name},
            )
    except CaptureConfigurationError as error:
        raise NoAnswer(str(error), is_final=True) from error
    except Exception as error:  # a provider raises what it likes; it says what it likes, too, so that goes to the log
        logger.warning("A model could not be asked to enrich a conversation.", exc_info=True)
        raise NoAnswer(
            f"The model could not be asked: {type(error).__name__}. The log has more.", is_final=False
        ) from error


def _refuse_offline(response: LLMResponse) -> None:
    """By who answered and not by the text, which a conversation may dictate."""
    if type(get_provider(response.provider)) is OfflineProvider:
        task = training_files_settings().enrichment_task
        raise NoAnswer(
            f"No model was asked: the offline provider answers. Give the task {task} a route to a model.", is_final=True
        )


def _keep(conversation_id: str, step: Step, digest: str, answer: dict[str, Any] | None, example_id: str) -> None:
    """Also what is of no use: the call repeats the conversation, and must be found when that is to be forgotten."""
    EnrichmentAnswer.objects.create(
        conversation_id=conversation_id,
        step=step.name,
        question_sha256=digest,
        answer=answer,
        example_id=example_id,
        answered_at=datetime.now(UTC),
    )
    if not Conversation.objects.filter(pk=conversation_id).exists():
        _forget(conversation_id, example_id)
        raise ConversationGone("The conversation was deleted meanwhile.")


def _forget(conversation_id: str, example_id: str) -> None:
    """Whoever had the conversation forgotten could not know of this call yet."""
    EnrichmentAnswer.objects.filter(conversation=conversation_id).update(answer=None)
    if example_id:
        try:
            forget(by="training_files", ids=[example_id])
        except (ArchiveError, CaptureError):
            logger.exception("The call %s repeats a conversation that was deleted: have it forgotten.", example_id)
