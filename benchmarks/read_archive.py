"""python -m benchmarks.read_archive: read every archived example of the configured project, and print how many."""

import django

django.setup()

from training_archive.reader import iter_examples  # noqa: E402  (it reads Django's settings)

if __name__ == "__main__":
    print(sum(1 for _ in iter_examples()))
