"""What users said before, for the next call: summarised, embedded, recalled by call_llm(memory=...), and forgotten."""

from continuous_training.memory.recalling import recall

__all__ = ["recall"]
