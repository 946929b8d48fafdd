"""The format of seed 004, brightrun-lora-v4: pure functions from conversations to the bytes of training files."""
