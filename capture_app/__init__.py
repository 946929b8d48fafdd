"""Every LLM call becomes one example.

    from capture_app import call_llm

    response = call_llm("Extract the price ...", task="productpage_extractor", training_metadata={"user_id": "42"})

Importing this package loads neither DuckDB, nor Django's models, nor any provider's SDK.
"""

from capture_app.client import acall_llm, call_llm
from capture_app.context import capture_context
from capture_app.feedback import arecord_feedback, record_feedback
from capture_app.openai_api.instrument import instrument
from capture_app.pseudonyms import pseudonym
from capture_app.recorder import record_example
from capture_app.responses import AsyncLLMStream, LLMResponse, LLMStream

__all__ = [
    "AsyncLLMStream",
    "LLMResponse",
    "LLMStream",
    "acall_llm",
    "arecord_feedback",
    "call_llm",
    "capture_context",
    "instrument",
    "pseudonym",
    "record_example",
    "record_feedback",
]
