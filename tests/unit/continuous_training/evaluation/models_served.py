"""Models to evaluate: a real server on the loopback that speaks OpenAI's protocol, and says what a test tells it to."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson

from tests.integration.openai_server import Reply, Seen, completion, error, json_reply, scripted_server

Says = Callable[[str], Any]  # from the last message's text to an answer's text, or to a Reply

BACKEND = "capture_app.providers.openai_compatible.OpenAICompatibleProvider"
CLOSE = "close"  # no client is ever closed, and one that is thrown away must have nothing open
PRICES = {"good": {"input": 1.0, "output": 2.0}, "judge": {"input": 1.0, "output": 1.0}}  # USD per million tokens


@dataclass
class Served:
    """The models, by name, and what they were asked."""

    base_url: str
    says: dict[str, Says] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)  # model, and the last message's text
    requests: list[dict[str, Any]] = field(default_factory=list)

    def times(self) -> Counter[tuple[str, str]]:
        return Counter(self.asked)

    def settings(self) -> dict[str, Any]:
        """Keys of TRAINING_CAPTURE that lead to them; the judge's task has a route."""
        return {
            "PROVIDERS": {
                "offline": {"BACKEND": "capture_app.providers.offline.OfflineProvider"},
                "stub": {
                    "BACKEND": BACKEND,
                    "OPTIONS": {"base_url": self.base_url, "api_key": "k", "max_retries": 0},
                },
            },
            "ROUTES": {"continuous_training.judge": {"PROVIDER": "stub", "MODEL": "judge"}},
            "PRICES": PRICES,
        }


def failing(status: int = 500) -> Says:
    """A model that only errs."""
    return lambda asked: json_reply(error("Out of order.", "server_error"), status=status, connection=CLOSE)


def answering(answers: Mapping[str, str], otherwise: str = "I do not know.") -> Says:
    return lambda asked: answers.get(asked, otherwise)


@contextmanager
def served_models() -> Iterator[Served]:
    with scripted_server() as server:
        served = Served(server.base_url)

        def answer(seen: Seen) -> Reply:
            request = orjson.loads(seen.body)
            asked = request["messages"][-1]["content"]
            served.requests.append(request)
            served.asked.append((request["model"], asked))
            said = served.says[request["model"]](asked)
            if isinstance(said, Reply):
                return said
            return json_reply(completion({"content": said}, model=request["model"]), connection=CLOSE)

        server.answer_for = answer
        yield served
