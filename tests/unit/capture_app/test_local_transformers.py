"""What the provider of local models does before and after a model is asked; the asking itself is in tests/training."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture_app import call_llm
from capture_app.exceptions import CaptureConfigurationError
from capture_app.providers.chat_templates import template_message
from capture_app.providers.local_models import LocalModels
from capture_app.providers.local_text import TextStream


@pytest.fixture
def models(tmp_path: Path) -> LocalModels:
    folder = tmp_path / "models"
    (folder / "tuned").mkdir(parents=True)
    (folder / ".tuned.unfinished").mkdir()
    (folder / "google" / "gemma").mkdir(parents=True)
    (tmp_path / "secret").mkdir()
    (folder / "link").symlink_to(tmp_path / "secret")
    return LocalModels(folder, {"base": "google/gemma-3-270m-it"}, device="cpu", most=1)


def test_a_model_is_a_folder_below_the_models_folder_or_an_alias(models: LocalModels, tmp_path: Path) -> None:
    assert models.find("tuned") == str(tmp_path / "models/tuned")
    assert models.find("google/gemma") == str(tmp_path / "models/google/gemma")
    assert models.find("base") == "google/gemma-3-270m-it"


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../secret", "tuned/../../secret", "/etc", "link", ".tuned.unfinished", "a\0b"]
)
def test_no_name_leads_out_of_the_models_folder(models: LocalModels, name: str) -> None:
    with pytest.raises(CaptureConfigurationError, match="is no name of a model in"):
        models.find(name)


def test_an_unknown_model_is_told_with_those_that_there_are(models: LocalModels) -> None:
    with pytest.raises(CaptureConfigurationError, match=r"no model 'gone' in .* There are base, google, link, tuned\."):
        models.find("gone")


def test_without_torch_a_call_is_told_what_to_install(
    capture: Callable[..., None], data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    capture(DEFAULT_PROVIDER="local")
    (data_dir / "models" / "tuned").mkdir(parents=True)
    monkeypatch.setitem(sys.modules, "torch", None)

    with pytest.raises(CaptureConfigurationError, match=r"needs torch and transformers: install .*`make training`"):
        call_llm("Hello", model="tuned")


# --- Text ------------------------------------------------------------------------------------------------------------


class Bytes:
    """A tokenizer whose tokens are bytes: no character of two bytes is there before both are."""

    def decode(self, ids: list[int], *, skip_special_tokens: bool) -> str:
        assert skip_special_tokens
        return bytes(ids).decode("utf-8", "replace")


def streamed(text: str, stops: list[str]) -> tuple[list[str], TextStream]:
    told: list[str] = []
    stream = TextStream(Bytes(), stops, told.append)
    stream.put(np.array([[1, 2, 3]]))  # the prompt
    for token in text.encode():
        stream.put(np.array([token]))
        if stream.is_done:
            break
    stream.end()
    return told, stream


@given(st.text(alphabet=st.sampled_from("abcü日🎈")), st.lists(st.text(alphabet="abü", min_size=1), max_size=3))
def test_the_pieces_are_the_text_up_to_the_first_stop(text: str, stops: list[str]) -> None:
    places = [text.find(stop) + len(stop) for stop in stops if stop in text]
    expected = text[: min(places)] if places else text
    ends = [stop for stop in stops if expected.endswith(stop)] if places else []

    told, stream = streamed(text, stops)

    assert "".join(told) == expected.removesuffix(max(ends, key=len, default=""))
    assert stream.is_done == bool(places)


def test_a_character_is_told_when_it_is_whole() -> None:
    told, stream = streamed("aü🎈", [])

    assert told == ["a", "ü", "🎈"]
    assert stream.count == 7


def test_what_may_begin_a_stop_is_held_back() -> None:
    assert streamed("one END", ["END."])[0] == ["o", "n", "e", " ", "END"]
    assert streamed("one END. two", ["END."])[0] == ["o", "n", "e", " "]


# --- Messages --------------------------------------------------------------------------------------------------------


def test_messages_are_as_chat_templates_take_them() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    broken = {"id": "2", "type": "function", "function": {"name": "f", "arguments": '{"a":'}}

    assert template_message({"role": "developer", "content": [{"type": "text", "text": "a"}, {"text": "b"}]}) == {
        "role": "system",
        "content": "a\nb",
    }
    found = template_message({"role": "assistant", "content": None, "tool_calls": [call, broken], "weight": 1})
    assert found["content"] == ""
    assert [each["function"]["arguments"] for each in found["tool_calls"]] == [{"a": 1}, '{"a":']
    assert "weight" not in found


def test_an_image_is_refused() -> None:
    with pytest.raises(ValueError, match="parts that are no text"):
        template_message({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]})
