"""What the report shows, in this order. A section is a function of a connection to the dataset's views (`catalog.py`).

It returns what it says as data (`section.py`), or None where its tables are empty, and then the report is without it.
To add one: write such a function and name it here.
"""

from collections.abc import Callable

import duckdb

from pipelines.report.cost import cost
from pipelines.report.distributions import distributions
from pipelines.report.funnel import funnel
from pipelines.report.judging import judging
from pipelines.report.models import models
from pipelines.report.overview import overview
from pipelines.report.people import people
from pipelines.report.section import Section
from pipelines.report.solving import solving

SECTIONS: tuple[Callable[[duckdb.DuckDBPyConnection], Section | None], ...] = (
    overview,
    funnel,
    distributions,
    solving,
    judging,
    models,
    people,
    cost,
)
