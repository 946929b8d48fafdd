"""The admin over everything: browse, review, correct, watch. It may use every app; no app uses it."""
