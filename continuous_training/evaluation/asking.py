"""One question to one model: by call_llm's own machinery, but of a provider and a model that no route chooses.

Nothing of it is captured. The answer becomes a plain object, as EvaluationItem keeps it.
"""

import logging
from typing import Any, Final

from capture_app.calls import begin_call
from capture_app.jobs import describe
from capture_app.messages import to_json_text
from capture_app.providers import get_provider
from capture_app.providers.base import CompletionRequest
from capture_app.responses import LLMResponse
from capture_app.routing.config import Target
from continuous_training.evaluation.items import GoldItem, keepable

EVALUATION_TASK: Final = "continuous_training.evaluation"  # what spans and budgets call it

_CHARACTERS: Final = 200_000  # of an answer that are kept, and scored

logger = logging.getLogger("continuous_training")


def ask(target: Target, item: GoldItem) -> dict[str, Any]:
    """What the model answered, or `error`. Raises nothing for a provider that fails."""
    request = CompletionRequest(
        model=target.model,
        messages=item.messages,
        tools=item.settings.get("tools", ()),
        response_format=item.settings.get("response_format"),
        parameters=item.settings.get("parameters", {}),
    )
    try:
        call = begin_call(request, provider=target.provider, task=EVALUATION_TASK, training_metadata=None)
        response = call.finish(call.ask(get_provider(target.provider).complete))
    except Exception as error:  # a provider raises what it likes, and may quote the question: that goes to the log only
        logger.warning("%s gave no answer in an evaluation.", target, exc_info=True)
        return {"error": describe(error)}
    return _answer(response)


def _answer(response: LLMResponse) -> dict[str, Any]:
    text = response.text or (to_json_text(response.tool_calls) if response.tool_calls else "")
    return {
        "text": keepable(text[:_CHARACTERS]),
        "model": keepable(response.model),
        "latency_ms": response.latency_ms,
        "input_tokens": response.input_tokens,
        "output_tokens": response.output_tokens,
        "cost_usd": response.cost_usd,
    }
