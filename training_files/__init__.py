"""Conversations become curated, versioned training files, which people and programs fetch over a REST API."""
