"""What a dependency lets pass: programs compiled at load, with verdict trees."""

from sensors.filters.finding import FilterError, Finding, Judged, Judgement
from sensors.filters.program import FilterProgram

__all__ = ["FilterError", "FilterProgram", "Finding", "Judged", "Judgement"]
