"""The loop in Django's admin."""

from continuous_training.admin import evaluations, memories, promotions, runs  # noqa: F401  (registers them)
