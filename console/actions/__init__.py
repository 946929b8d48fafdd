"""What can be done with examples that were picked: export, tag, forget, replay."""
