"""Which clients `instrument` takes, and which of their requests are recorded."""

from typing import Any

import httpx
import httpx2
import openai
import pytest

from capture_app import instrument
from capture_app.exceptions import CaptureConfigurationError
from tests.integration.instrument.uses import ASK, stream
from tests.integration.openai_answers import TEXT_CHUNKS, text_chat
from tests.integration.openai_server import ScriptedServer, json_reply
from tests.integration.side_by_side import client_for, records, shown

pytestmark = pytest.mark.usefixtures("no_failures")


AZURE: dict[str, Any] = {"api_key": "secret-key", "api_version": "2024-10-21"}
AZURE_PATH = "/v1/openai/deployments/small-1/chat/completions?api-version=2024-10-21"


def test_azures_client_asks_for_its_deployment_as_before(server: ScriptedServer) -> None:
    server.replies = [json_reply(text_chat())]
    with (
        openai.AzureOpenAI(azure_endpoint=server.base_url, **AZURE) as bare,
        openai.AzureOpenAI(azure_endpoint=server.base_url, **AZURE) as client,
    ):
        asked = [bare, instrument(client), client.with_options(timeout=9)]
        answers = [shown(each.chat.completions.create(**ASK)) for each in asked]

    assert answers == [answers[0]] * 3
    assert [seen.path for seen in server.seen] == [AZURE_PATH] * 3
    assert len(records()) == 2


async def test_azures_async_client_asks_for_its_deployment_as_before(server: ScriptedServer) -> None:
    server.replies = [json_reply(text_chat())]
    async with (
        openai.AsyncAzureOpenAI(azure_endpoint=server.base_url, **AZURE) as bare,
        openai.AsyncAzureOpenAI(azure_endpoint=server.base_url, **AZURE) as client,
    ):
        asked = [bare, instrument(client), client.with_options(timeout=9)]
        answers = [shown(await each.chat.completions.create(**ASK)) for each in asked]

    assert answers == [answers[0]] * 3
    assert [seen.path for seen in server.seen] == [AZURE_PATH] * 3
    assert len(records()) == 2


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_a_client_of_either_http_library_is_recorded(server: ScriptedServer, library: Any) -> None:
    server.replies = [json_reply(text_chat()), stream(TEXT_CHUNKS)]
    with library.Client() as http:
        client = instrument(client_for(server, http_client=http))

        client.chat.completions.create(**ASK)
        with client.chat.completions.create(**ASK, stream=True) as chunks:
            next(chunks), next(chunks)

    assert len(records()) == 2


def test_a_client_keeps_its_type() -> None:
    client = openai.OpenAI(api_key="k")

    assert instrument(client) is client
    assert type(client.with_options(timeout=3)) is openai.OpenAI


def test_what_was_taken_from_the_client_before_is_recorded_too(server: ScriptedServer, bare_client: Any) -> None:
    server.replies = [json_reply(text_chat())]
    completions, raw = bare_client.chat.completions, bare_client.chat.completions.with_raw_response

    instrument(bare_client)
    completions.create(**ASK)
    raw.create(**ASK)

    assert len(records()) == 2


def test_instrumenting_twice_records_once(server: ScriptedServer, bare_client: Any) -> None:
    server.replies = [json_reply(text_chat())]
    client = instrument(instrument(bare_client))

    client.chat.completions.create(**ASK)
    instrument(client.with_options(timeout=3).copy()).chat.completions.create(**ASK)

    assert len(records()) == 2


def test_another_client_is_left_alone(server: ScriptedServer, bare_client: Any) -> None:
    server.replies = [json_reply(text_chat())]
    with client_for(server) as other:
        instrument(other)

        bare_client.chat.completions.create(**ASK)

    assert records() == []


@pytest.mark.parametrize("client", [None, object(), openai.OpenAI, httpx.Client])
def test_what_is_no_client_is_a_configuration_error(client: Any) -> None:
    with pytest.raises(CaptureConfigurationError, match=r"openai\.OpenAI"):
        instrument(client)


def test_other_requests_are_not_recorded(server: ScriptedServer, bare_client: Any) -> None:
    server.replies = [json_reply({"object": "list", "data": []})]
    client = instrument(bare_client)

    client.models.list()
    client.embeddings.create(model="small-1", input="12 EUR", encoding_format="float")
    client.chat.completions.list()

    assert records() == []
