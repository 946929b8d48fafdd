"""Figures per day, and the dashboard on the admin's first page."""
