"""Tests of console.review, one module for each of its own."""
