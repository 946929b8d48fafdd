"""Texts become vectors: by counted pieces of words, and by a service."""

from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
import pytest

from continuous_training.memory import recall
from continuous_training.memory.embedders import get_embedder
from continuous_training.memory.embedders.base import EmbeddingFailed
from continuous_training.memory.embedders.ngrams import NgramEmbedder
from continuous_training.memory.embedders.openai_compatible import OpenAICompatibleEmbedder
from continuous_training.memory.updating import update_memories
from continuous_training.memory.vectors import normalised, scores, to_bytes
from continuous_training.models import Memory
from tests.unit.continuous_training.memory.embeddings_server import EmbeddingsServer, embeddings_server
from tests.unit.continuous_training.memory.material import said

# What was remembered, and what is asked about it later.
PAIRS: Final = (
    (
        "My order 4711 for the blue kettle has not arrived. → It comes on Friday.",
        "Where is my order for the blue kettle?",
    ),
    ("Which plan includes phone support? → The Business plan.", "Does my plan include phone support?"),
    (
        "I am allergic to peanuts, suggest a dessert. → A sorbet.",
        "Another dessert for me; you know about my peanuts allergy",
    ),
    ("How do I reset my password? → Use the link on the login page.", "I forgot how to reset the password"),
    ("Translate the invoice to French. → Done.", "Can you translate this invoice to French again?"),
    ("Book a table at Luigi's for two. → Booked.", "Please change the table at Luigi's to three people"),
    ("My script fails with KeyError in pandas merge. → The column name differs.", "pandas merge gives KeyError again"),
    ("I live in Berlin and commute by bike. → Noted.", "What bike route would you take in Berlin?"),
    ("Write a cover letter for a nurse position. → Here it is.", "Improve the cover letter for the nurse position"),
    ("My daughter Anna is turning six. → How about a zoo visit?", "Ideas for my daughter's birthday party?"),
    ("Meine Waschmaschine zeigt Fehler E20. → Reinigen Sie das Sieb.", "Die Waschmaschine zeigt wieder den Fehler E20"),
    ("Quel est le délai de livraison pour Lyon ? → Trois jours.", "Et le délai de livraison pour Paris ?"),
    ("I want to cancel my subscription. → It ends on 31 March.", "When does my subscription end?"),
    ("The kitchen light bulb needs an E14 socket. → Take a 40 W one.", "Which socket does my kitchen light need?"),
    ("I prefer short answers. → Understood.", "Keep it short as I said"),
    ("Refund for the broken headphones. → You get 59 EUR back.", "Has the refund for my headphones been paid?"),
    ("What is the price of the red jacket? → 89 EUR.", "Is the red jacket still at that price?"),
    ("I run marathons, best 3:45. → Great time.", "Make a training plan for my next marathon"),
    ("Summarise chapter 3 of the history book. → The revolution.", "Now summarise chapter 4 of the history book"),
    ("Our server runs Ubuntu 22.04 with nginx. → Noted.", "nginx on our Ubuntu server returns 502"),
)


@pytest.fixture
def server() -> Iterator[EmbeddingsServer]:
    with embeddings_server() as running:
        yield running


@pytest.fixture
def service(server: EmbeddingsServer) -> Iterator[Callable[..., OpenAICompatibleEmbedder]]:
    """An embedder that asks the server."""
    made: list[OpenAICompatibleEmbedder] = []

    def make(**options: Any) -> OpenAICompatibleEmbedder:
        made.append(OpenAICompatibleEmbedder(model="small", base_url=server.base_url, api_key="k", **options))
        return made[-1]

    yield make
    for embedder in made:
        embedder._client.close()


# --- Vectors ---------------------------------------------------------------------------------------------------------


def test_rows_are_brought_to_length_1_and_what_is_nothing_to_0() -> None:
    found = normalised(np.array([[3.0, 4.0], [0.0, 0.0], [float("nan"), 1.0], [float("inf"), 0.0]]))

    assert found.tolist() == [[pytest.approx(0.6), pytest.approx(0.8)], [0, 0], [0, 1], [0, 0]]
    assert found.dtype == np.float32


def test_stored_vectors_are_compared_by_their_cosine() -> None:
    vectors = normalised(np.array([[1.0, 0.0], [1.0, 1.0], [-1.0, 0.0]]))

    assert scores(vectors[0], [to_bytes(each) for each in vectors]).tolist() == [1, pytest.approx(0.7071), -1]


# --- By pieces of words ----------------------------------------------------------------------------------------------


def test_the_same_text_has_the_same_vector_however_it_is_cased() -> None:
    tea, also, nothing = NgramEmbedder().embed(["Green Tea!", "green  tea", " \u2026 "])

    assert tea @ also == pytest.approx(1, abs=1e-6)
    assert not nothing.any()
    assert NgramEmbedder().embed([]).shape == (0, 512)


def test_its_threshold_parts_what_is_worded_alike_from_all_else() -> None:
    """Of 20 questions, 16 find what they ask about, and none of the 380 pairs that do not belong together is near."""
    embedder = NgramEmbedder()
    near = embedder.embed([asked for _, asked in PAIRS]) @ embedder.embed([noted for noted, _ in PAIRS]).T
    belong = np.eye(len(PAIRS), dtype=bool)

    assert (near[belong] >= embedder.min_score).sum() >= 16
    assert (near[~belong] >= embedder.min_score).sum() == 0
    assert (near.argmax(axis=1) == range(len(PAIRS))).all()


# --- By a service ----------------------------------------------------------------------------------------------------


def test_a_service_is_asked_in_batches(
    server: EmbeddingsServer, service: Callable[..., OpenAICompatibleEmbedder]
) -> None:
    embedder = service(batch=2, dimensions=2)
    found = embedder.embed(["a", "", "c" * 9000])

    assert found[0].tolist() == found[1].tolist() == [pytest.approx(0.7071, abs=1e-4)] * 2
    assert found[2][0] == pytest.approx(1)
    assert [len(request["input"]) for request in server.requests] == [2, 1]
    assert [len(text) for request in server.requests for text in request["input"]] == [1, 1, 8000]
    assert {request["dimensions"] for request in server.requests} == {2}
    assert embedder.name == "openai:small:2"


def test_a_service_that_is_busy_is_asked_again(
    server: EmbeddingsServer, service: Callable[..., OpenAICompatibleEmbedder]
) -> None:
    server.refusals = [429, 503]

    assert service().embed(["a"]).shape == (1, 2)
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"object": "list", "data": []},
        {"object": "list", "data": [{"index": 0, "embedding": []}, {"index": 1, "embedding": []}]},
        {"object": "list", "data": [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": [1.0, 2.0]}]},
        {"object": "list", "data": [{"index": 0, "embedding": [1.0]}]},
        {"object": "list", "data": [{"index": 0, "embedding": "AAAA"}, {"index": 1, "embedding": "BBBB"}]},
        {"object": "list", "data": [{"index": 0, "embedding": [{}]}, {"index": 1, "embedding": [{}]}]},
        [1],
    ],
)
def test_an_answer_that_is_none_is_a_failure(
    server: EmbeddingsServer, service: Callable[..., OpenAICompatibleEmbedder], answer: Any
) -> None:
    server.answer = answer

    with pytest.raises(EmbeddingFailed, match="Nothing of it was stored"):
        service(max_retries=0).embed(["a", "b"])


def test_a_service_that_refuses_is_a_failure(
    server: EmbeddingsServer, service: Callable[..., OpenAICompatibleEmbedder]
) -> None:
    server.refusals = [401]

    with pytest.raises(EmbeddingFailed, match="AuthenticationError"):
        service(max_retries=0).embed(["a"])


@pytest.mark.django_db
def test_memories_are_made_and_recalled_with_a_service(
    server: EmbeddingsServer, configure: Callable[..., None]
) -> None:
    options = {"model": "small", "base_url": server.base_url, "api_key": "k", "max_retries": 0}
    dotted_path = f"{OpenAICompatibleEmbedder.__module__}.{OpenAICompatibleEmbedder.__name__}"
    configure(EMBEDDER={"BACKEND": dotted_path, "OPTIONS": options})
    said("I like tea.")
    server.refusals = [500]
    with pytest.raises(EmbeddingFailed):
        update_memories()
    assert not Memory.objects.exists()

    assert update_memories().remembered == 1
    assert Memory.objects.get().embedder == "openai:small"
    assert recall("ada", [{"role": "user", "content": "What do I like, tea?"}], {}) is not None
    assert recall("bob", [{"role": "user", "content": "What do I like, tea?"}], {}) is None
    assert len(server.requests) == 3  # of who has no memories nothing is embedded
    get_embedder()._client.close()  # type: ignore[attr-defined]  # it is the service's
