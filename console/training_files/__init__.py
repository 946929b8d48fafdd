"""What the console adds when training_files is installed: from captured examples to a training file."""
