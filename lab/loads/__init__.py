"""Loads: one file for each kind. Files with a leading underscore are parts, not kinds.

Only ``_driver`` and what it alone imports (``_play``, ``_lane``, ``_pacer``, ``_fold``) touch gevent or
Locust: gevent patches the whole process, so they run in a subprocess of their own.
"""
