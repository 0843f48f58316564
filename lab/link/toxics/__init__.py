"""What a link can do to data. The folder is the registry: ``slow_close.py`` holds the toxic ``slow_close``.

A file has the class ``Attributes``, a frozen dataclass of whole numbers whose names and defaults are Toxiproxy's,
and a stage named for the file (``SlowClose``): what the toxic does to one direction of one connection.
"""
