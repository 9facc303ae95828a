"""The second executor: programs as SQL over the instances table, run by an in-memory DuckDB.

It shares nothing with the fast executor but the names of operators: relations, orderings and distances are computed
here, in SQL, from boxes, centroids, areas, depths and spans as stored. Programs are evaluated together, one statement
per (level of the DAG, operator), so that the cost per program is small.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import duckdb
import pyarrow as pa

from schemas.program import Program
from schemas.scene import Scene
from stages.operators import load_operators
from stages.operators.operator import Operator, ValueType

VERSION = 1
_VALUE_TABLES = {
    ValueType.SET: ("sets", "inst INTEGER"),
    ValueType.ONE: ("ones", "inst INTEGER"),
    ValueType.NUMBER: ("numbers", "val BIGINT"),
    ValueType.TRUTH: ("truths", "val BOOLEAN"),
}
_APPLICATIONS = "WITH cur AS (SELECT pid, i, image, a, b, c, p0, p1 FROM step WHERE {which}{ready})"
_SET_IS_READY = " AND EXISTS (FROM ready r WHERE r.pid = step.pid AND r.i = step.{column})"
_ONE_IS_READY = " AND EXISTS (FROM ones o WHERE o.pid = step.pid AND o.i = step.{column})"
_HAS_VALUE = """ AND EXISTS (
    FROM ones o JOIN attr ON attr.inst = o.inst AND attr.key = step.p0 WHERE o.pid = step.pid AND o.i = step.a)"""
_CONTACT = """
    CREATE OR REPLACE TEMP TABLE contact AS
    SELECT DISTINCT f.inst AS a, s.inst AS b
    FROM span f JOIN span s
    ON s.image = f.image AND s.inst <> f.inst AND abs(f.y - s.y) <= 1 AND f.x0 <= s.x1 AND s.x0 <= f.x1
"""


class ProgramRun(NamedTuple):
    """One program to evaluate on one image."""

    image_id: str
    program: Program


class SecondExecutor:
    """Scenes loaded into one in-memory database; use as a context manager."""

    def __init__(self, scenes: Iterable[Scene]) -> None:
        """Loads the facts of the scenes."""
        self.connection = duckdb.connect(":memory:", config={"threads": 1})
        self.image_numbers: dict[str, int] = {}
        self.instance_keys: list[str] = []
        self._load(scenes)

    def __enter__(self) -> "SecondExecutor":
        """Returns itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the database."""
        self.connection.close()

    def answers(self, runs: Sequence[ProgramRun]) -> list[int | None]:
        """Returns the answer of every program, in order; None where it is undefined.

        Raises:
            KeyError: a program names an image that was not loaded.
        """
        self._evaluate(runs)
        last = [len(run.program.steps) - 1 for run in runs]
        found = dict(
            self.connection.execute(
                "SELECT n.pid, n.val FROM numbers n JOIN last l ON l.pid = n.pid AND l.i = n.i"
            ).fetchall()
            if self._register_last(last)
            else []
        )
        return [found.get(pid) for pid in range(len(runs))]

    def referents(self, runs: Sequence[ProgramRun]) -> dict[tuple[int, int], frozenset[str]]:
        """Returns per (program, step) the ids of the instances it denotes, for all set and instance steps of `runs`."""
        self._evaluate(runs)
        rows = self.connection.execute(
            "SELECT pid, i, inst FROM sets UNION ALL SELECT pid, i, inst FROM ones"
        ).fetchall()
        found: dict[tuple[int, int], set[str]] = {}
        for pid, number, inst in rows:
            found.setdefault((pid, number), set()).add(self.instance_keys[inst])
        return {key: frozenset(ids) for key, ids in found.items()}

    def _register_last(self, last: list[int]) -> bool:
        self._replace(
            "last", pa.table({"pid": pa.array(range(len(last)), pa.int32()), "i": pa.array(last, pa.int32())})
        )
        return True

    def _replace(self, name: str, table: pa.Table) -> None:
        self.connection.register("incoming", table)
        self.connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS FROM incoming")
        self.connection.unregister("incoming")

    def _load(self, scenes: Iterable[Scene]) -> None:
        images: list[tuple[int, float, float]] = []
        facts: list[tuple[int, int, str, str, float, float, float, float, float, float, float, float | None]] = []
        attributes: list[tuple[int, str, str]] = []
        spans: list[tuple[int, int, int, int, int]] = []
        for scene in scenes:
            number = self.image_numbers.setdefault(scene.image.image_id, len(images))
            images.append((number, float(scene.image.width), float(scene.image.height)))
            for instance in scene.instances:
                inst = len(self.instance_keys)
                self.instance_keys.append(instance.instance_id)
                geometry = (*instance.centroid_xy, *instance.box_xyxy, float(instance.area), instance.depth)
                facts.append((inst, number, instance.instance_id, instance.category, *geometry))
                attributes += [(inst, attribute.key, attribute.value) for attribute in instance.attributes]
                spans += [(inst, number, span.y, span.x0, span.x1) for span in instance.spans]
        self._replace("img", _table(images, ("image", "width", "height"), (pa.int32(), pa.float64(), pa.float64())))
        names = ("id", "image", "key", "category", "cx", "cy", "x0", "y0", "x1", "y1", "area", "depth")
        types = (pa.int32(), pa.int32(), pa.string(), pa.string(), *(pa.float64(),) * 8)
        self._replace("inst", _table(facts, names, types))
        self._replace("attr", _table(attributes, ("inst", "key", "value"), (pa.int32(), pa.string(), pa.string())))
        self._replace("span", _table(spans, ("inst", "image", "y", "x0", "x1"), (pa.int32(),) * 5))
        self.connection.execute("CREATE TEMP TABLE contact (a INTEGER, b INTEGER)")
        self._has_contact = False

    def _evaluate(self, runs: Sequence[ProgramRun]) -> None:
        for table, column in _VALUE_TABLES.values():
            self.connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} (pid INTEGER, i INTEGER, {column})")
        present = self._load_programs(runs)
        self.connection.execute("CREATE OR REPLACE TEMP TABLE ready AS SELECT pid, i FROM step WHERE always")
        operators = load_operators()
        for level, name, always in sorted(present):
            self._apply(level, operators[name], always)

    def _load_programs(self, runs: Sequence[ProgramRun]) -> set[tuple[int, str, bool]]:
        """Fills the table of steps; returns the (level, operator, always defined) that occur."""
        operators = load_operators()
        columns: list[list[object]] = [[] for _ in _STEP_COLUMNS]
        present: set[tuple[int, str, bool]] = set()
        touching = False
        for pid, run in enumerate(runs):
            image = self.image_numbers[run.image_id]
            levels: list[int] = []
            sure: list[bool] = []
            for number, step in enumerate(run.program.steps):
                level = 1 + max((levels[i] for i in step.inputs), default=-1)
                always = operators[step.operator].output is ValueType.SET and all(sure[i] for i in step.inputs)
                levels.append(level)
                sure.append(always)
                present.add((level, step.operator, always))
                touching |= "touching" in step.params
                a, b, c = (*step.inputs, None, None, None)[:3]
                p0, p1 = (*(str(param) for param in step.params), None, None)[:2]
                row = (pid, number, image, level, always, step.operator, a, b, c, p0, p1)
                for column, value in zip(columns, row, strict=True):
                    column.append(value)
        arrays = [pa.array(column, kind) for column, kind in zip(columns, _STEP_COLUMNS.values(), strict=True)]
        self._replace("step", pa.table(dict(zip(_STEP_COLUMNS, arrays, strict=True))))
        if touching and not self._has_contact:
            self.connection.execute(_CONTACT)
            self._has_contact = True
        return present

    def _apply(self, level: int, operator: Operator, always: bool) -> None:
        """Evaluates one operator on one level.

        Undefined spreads by missing rows; an empty set is told from an undefined one by the table ``ready``, which
        matters to sets that depend on an instance and to what counts them.
        """
        ready = "".join(
            (_SET_IS_READY if kind is ValueType.SET else _ONE_IS_READY).format(column=column)
            for column, kind in zip("abc", operator.inputs, strict=False)
            if kind in (ValueType.SET, ValueType.ONE)
        )
        if operator.name == "same_attribute":
            ready += _HAS_VALUE
        table, _ = _VALUE_TABLES[operator.output]
        needs_ready = not always and operator.name not in ("choose", "choose_number")
        which = f"level = {level} AND op = '{operator.name}' AND always = {always}"
        applications = _APPLICATIONS.format(which=which, ready=ready if needs_ready else "")
        self.connection.execute(f"INSERT INTO {table} {applications} {operator.sql}")
        if operator.output is ValueType.SET and not always:
            self.connection.execute(f"INSERT INTO ready {applications} SELECT pid, i FROM cur")


_STEP_COLUMNS = {
    "pid": pa.int32(),
    "i": pa.int32(),
    "image": pa.int32(),
    "level": pa.int32(),
    "always": pa.bool_(),
    "op": pa.string(),
    "a": pa.int32(),
    "b": pa.int32(),
    "c": pa.int32(),
    "p0": pa.string(),
    "p1": pa.string(),
}


def _table(rows: Sequence[tuple[object, ...]], names: Sequence[str], types: Sequence[pa.DataType]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    arrays = [pa.array(column, type=kind) for column, kind in zip(columns, types, strict=True)]
    return pa.table(dict(zip(names, arrays, strict=True)))
