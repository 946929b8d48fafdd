"""`python -m demo.loop.calls FIRST COUNT [--show]`: an application that reads orders out of mails."""

import argparse
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import django

django.setup()

from capture_app import call_llm  # noqa: E402  (the apps must be set up first)
from capture_app.responses import LLMResponse  # noqa: E402  (likewise)
from demo.extraction_task import SLOT_SPECS, TASK, make_task  # noqa: E402  (likewise)
from demo.loop import CALLS, QUESTIONS  # noqa: E402  (likewise)

THREADS = 16


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m demo.loop.calls", description=__doc__)
    parser.add_argument("first", type=int)
    parser.add_argument("count", type=int)
    parser.add_argument("--show", action="store_true", help="print who answered what")
    asked = parser.parse_args()
    mails = make_task(n_train=CALLS, n_gold=QUESTIONS).train[asked.first : asked.first + asked.count]
    with ThreadPoolExecutor(1 if asked.show else THREADS) as pool:
        answers = list(pool.map(ask, mails))
    print(f"{len(answers)} mails were read by {', '.join(sorted({answer.model for answer in answers}))}.")
    for mail, answer in zip(mails, answers, strict=True) if asked.show else ():
        print(f"  {answer.provider}/{answer.model}, {answer.latency_ms} ms")
        print(f"    {mail['messages'][-1]['content']}\n    {answer.text}")


def ask(mail: dict[str, Any]) -> LLMResponse:
    return call_llm(messages=mail["messages"], task=TASK, training_metadata={"slot_specs": SLOT_SPECS})


if __name__ == "__main__":
    main()
