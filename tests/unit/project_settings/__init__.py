"""Tests of project_settings."""
