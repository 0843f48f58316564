"""The load driver: Locust as a library in a process of its own, which takes one block order after another.

``play`` runs a block by one of the executors in ``fast`` and ``flow``; ``distributed`` spreads it over workers.
``words``, ``options``, ``schedule``, ``values``, ``urls``, ``render``, ``observing`` and ``ledger`` are pure.
``reach`` keeps a load off hosts that were not allowed.
Most of the rest imports gevent or Locust, which patches the whole process: only ``python -m lab.driver`` and
Locust itself may load it.
"""
