"""Where memories meet continuous_training.redaction, and nowhere else."""


def redacted(text: str) -> str:
    """The text without what names or identifies somebody."""
    from continuous_training.redaction import (
        redact_text,
    )  # phone numbers take a while to import, and checks import this

    return redact_text(text).text
