"""Search in the previews, by words, on SQLite and on PostgreSQL.

Words are kept apart from the index, by number (SearchEntry), and are brought there after the drain, which would pay too
much for them. They go with their example, whoever deletes it: a trigger sees to that.
"""
