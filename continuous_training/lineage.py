"""What the loop made from examples, and the copies that it keeps of them: asked and erased by `forget`."""
