"""The queue: one example after the other, judged from the keyboard."""
