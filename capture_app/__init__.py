"""Every LLM call becomes one example.

    from capture_app import call_llm

    response = call_llm("Extract the price ...", task="productpage_extractor", training_metadata={"user_id": "42"})

Importing this package loads neither DuckDB nor any provider's SDK.
"""

from capture_app.client import acall_llm, call_llm
from capture_app.recorder import record_example
from capture_app.responses import AsyncLLMStream, LLMResponse, LLMStream

__all__ = ["AsyncLLMStream", "LLMResponse", "LLMStream", "acall_llm", "call_llm", "record_example"]
