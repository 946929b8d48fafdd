"""Conversations and training files in Django's admin."""

from training_files.admin import conversations, files  # noqa: F401  (registers both)
