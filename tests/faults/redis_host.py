"""`python -m tests.faults.redis_host COUNT` captures with a picture each, on a host of its own, and prints the ids."""

import hashlib
import sys

import django


def main(count: int) -> None:
    from capture_app.blobs import Blob
    from capture_app.inbox import get_inbox
    from tests.unit.capture_app.captured import example

    for number in range(count):
        content = f"picture {number}".encode()
        picture = Blob(hashlib.sha256(content).hexdigest(), "image/png", content)
        record = example(metadata={"gleaner": {"messages": [picture.reference]}})
        get_inbox().append(record.to_json_line(), [picture])
        print(record.id)


if __name__ == "__main__":
    django.setup()
    main(int(sys.argv[1]))
