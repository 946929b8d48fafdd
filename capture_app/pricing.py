"""What a call cost, by the table in TRAINING_CAPTURE["PRICES"].

"PRICES": {"gpt-4o-mini": {"input": 0.15, "cached_input": 0.075, "output": 0.60}}    # USD per million tokens
"""

import logging
from collections.abc import Mapping

from capture_app.conf import capture_settings
from capture_app.log_once import log_once
from capture_app.providers.base import Completion

logger = logging.getLogger("capture_app")

_TOKENS = 1_000_000
_DIGITS = 10  # after the point; the thousandth part of a token's price still shows


def cost_in_usd(completion: Completion, requested_model: str) -> float | None:
    """None when the table has no price for the model, or the provider does not say how many tokens it took.

    The model is looked up as the provider names it, then as it was asked for: "gpt-4o-mini-2024-07-18" has the price of
    "gpt-4o-mini" when that was asked for. Cached tokens are among the input tokens, and are priced once: at
    `cached_input` when the table has it, else at `input`. Reasoning tokens are among the output tokens.
    """
    try:
        prices = capture_settings().prices
        if not prices:
            return None
        return _cost(prices, completion, requested_model)
    except Exception as error:  # an odd table, or a provider's odd figures: the call has its answer and must go on
        log_once(logger, f"What a call of the model {requested_model!r} cost cannot be told: see PRICES.", error)
        return None


def _cost(prices: Mapping[str, Mapping[str, float]], completion: Completion, requested_model: str) -> float | None:
    price = prices.get(completion.model) or prices.get(requested_model)
    if not price or completion.input_tokens is None or completion.output_tokens is None:
        return None
    cached = min(completion.cached_input_tokens or 0, completion.input_tokens)
    cost = (
        (completion.input_tokens - cached) * price["input"]
        + cached * price.get("cached_input", price["input"])
        + completion.output_tokens * price["output"]
    )
    return round(cost / _TOKENS, _DIGITS)
