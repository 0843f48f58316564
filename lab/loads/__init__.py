"""Loads: one file for each kind. Files with a leading underscore are parts, not kinds.

They are the runner's side and import neither gevent nor Locust, which patch the whole process: those run in
a subprocess, ``lab.driver``.
"""
