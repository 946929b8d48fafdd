"""A model says of a conversation what version 4 wants to know: who speaks, what is felt, how good the answers are.

What the model answers is data like any other: it is held against a schema, and has its effect on this one conversation.
"""
