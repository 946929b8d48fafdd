"""The list of captured examples: filters, search, where each one is."""
