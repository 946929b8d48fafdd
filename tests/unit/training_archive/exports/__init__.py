"""Tests of training_archive, one module for each of its own."""
