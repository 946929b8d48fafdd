"""`python -m demo.loop.base`: the small model that will be tuned, and the gold set."""

import json

from continuous_training.training.tiny import make_tiny_model
from demo.extraction_task import make_task, warm_up_chats
from demo.loop import BASE, CALLS, GOLD, QUESTIONS


def main() -> None:
    task = make_task(n_train=CALLS, n_gold=QUESTIONS)
    GOLD.write_text("".join(json.dumps(item) + "\n" for item in task.gold))
    make_tiny_model(BASE, warm_up_chats())


if __name__ == "__main__":
    main()
