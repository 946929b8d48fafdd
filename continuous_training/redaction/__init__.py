"""Takes out of texts what names or identifies somebody, and secrets; in its place stands `[EMAIL_1]`, `[PHONE_2]`.

    redact_text("Write to ann@example.org").text                     # "Write to [EMAIL_1]"
    TRAINING_CAPTURE = {"REDACT": "continuous_training.redaction.redact_example", ...}

The rules and what they claim are told one by one in docs/continuous_training.md; the setting is
CONTINUOUS_TRAINING["REDACTION"].
"""

from continuous_training.redaction.redactor import Redactor
from continuous_training.redaction.services import new_redactor, redact_example, redact_text
from continuous_training.redaction.spans import Redacted, Span

__all__ = ["Redacted", "Redactor", "Span", "new_redactor", "redact_example", "redact_text"]
