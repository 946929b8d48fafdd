"""Tests of the export formats, one by one."""
