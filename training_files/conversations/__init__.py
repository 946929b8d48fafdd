"""Conversations on their way to be trained on: taken in or captured, enriched, reviewed by people."""
