"""Readings of a running stack: counters for the judge, text for people. One kind a file."""
