"""The load driver: Locust as a library in a process of its own, which takes one block order after another.

``words``, ``wire``, ``options``, ``schedule``, ``share``, ``values``, ``render``, ``merge``, ``clocks`` and
``ledger`` are pure. Everything else imports gevent or Locust, which patches the whole process: only
``python -m lab.driver`` and Locust itself may load it.
"""
