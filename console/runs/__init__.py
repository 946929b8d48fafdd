"""Archive runs: the past ones, a new one from the page, and its progress."""
