"""One process of the demo's application: `python -m demo.capture FIRST STEP END [CONVERSATIONS]`.

It asks from several threads: some calls plain, some streamed, some awaited, as applications do.
"""

import asyncio
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import django
import openai

from demo.prompts import Request, requests_from

THREADS = 4


def main(first: int, step: int, end: int, conversations: Path | None) -> None:
    requests = requests_from(conversations)
    numbers = range(first, end, step)
    with ThreadPoolExecutor(THREADS) as pool:
        results = list(pool.map(lambda number: ask(number, requests[number % len(requests)]), numbers))
    errors = [result for result in results if isinstance(result, str)]
    print(json.dumps({"answered": len(results) - len(errors), "kept": results.count(True), "errors": errors[:1]}))


def ask(number: int, request: Request) -> bool | str:
    """Whether the call was kept; or, when the provider failed, its error."""
    from capture_app import acall_llm, call_llm

    metadata = {**request.metadata, "demo_call": number}
    try:
        if number % 5 == 0:
            with call_llm(
                messages=request.messages, task=request.task, stream=True, training_metadata=metadata
            ) as stream:
                for _ in stream:
                    pass
            return stream.response.example_id is not None
        if number % 5 == 1:
            answer = acall_llm(messages=request.messages, task=request.task, training_metadata=metadata)
            return asyncio.run(answer).example_id is not None
        response = call_llm(messages=request.messages, task=request.task, training_metadata=metadata)
    except openai.OpenAIError as error:
        return f"{type(error).__name__}: {error}"
    return response.example_id is not None


if __name__ == "__main__":
    django.setup()
    first, step, end, *conversations = sys.argv[1:]
    main(int(first), int(step), int(end), Path(conversations[0]) if conversations else None)
