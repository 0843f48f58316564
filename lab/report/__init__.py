"""Renderings of a run, all made from one :class:`~lab.model.report.Report`.

``build`` reads a run folder, ``write`` puts the renderings into it; everything between is pure.
"""

from lab.report.build import build
from lab.report.write import FORMATS, formats_of, write

__all__ = ["FORMATS", "build", "formats_of", "write"]
