"""call_llm on the offline provider."""

import pytest

from capture_app import call_llm
from capture_app.inbox import get_inbox


def test_an_answered_call_waits_in_the_inbox() -> None:
    response = call_llm("What is the price?", task="shop", training_metadata={})

    assert response.example_id is not None
    assert get_inbox().depth().rows == 1


def test_without_metadata_nothing_is_captured() -> None:
    assert call_llm("What is the price?").example_id is None
    assert get_inbox().depth().rows == 0


def test_prompt_and_messages_together_are_refused() -> None:
    with pytest.raises(ValueError, match="not both"):
        call_llm("hello", messages=[{"role": "user", "content": "hello"}])
