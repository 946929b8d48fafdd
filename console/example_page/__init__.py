"""The page of one example: the conversation as a person reads it, and everything known of it."""
