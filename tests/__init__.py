"""Tests mirror the tree: unit/<app>/, integration/, faults/."""
