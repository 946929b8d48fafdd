"""`python -m tests.faults.forks` captures before, in and after forks that end with os._exit, and prints the ids.

This is what gunicorn --preload and Celery's prefork pool do to a client library.
"""

import os

import django


def main() -> None:
    from capture_app import call_llm

    def capture(prompt: str) -> None:
        os.write(1, f"{call_llm(prompt, training_metadata={}).example_id}\n".encode())

    capture("in the parent, before")
    children = []
    for number in range(8):
        child = os.fork()
        if child == 0:
            for _ in range(20):
                capture(f"in child {number}")
            os._exit(0)
        children.append(child)
        capture("in the parent, between")
    for child in children:
        os.waitpid(child, 0)
    capture("in the parent, after")


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project_settings.settings")
    django.setup()
    main()
