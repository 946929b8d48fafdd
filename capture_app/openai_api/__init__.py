"""OpenAI's two APIs as calls: chat completions and responses; and the recording of clients that speak them.

Nothing here imports the SDK: its objects are read by their attributes, which it does not check itself, so any of them
may be missing or None.
"""
