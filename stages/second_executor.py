"""The second executor: programs as SQL over the instances table, run by an in-memory DuckDB.

It shares nothing with the fast executor but the names of operators: relations, orderings and distances are computed
here, in SQL, from boxes, centroids, areas, depths and spans as stored. Programs are evaluated together: steps that are
the same on the same image become one node, and one statement evaluates all nodes of one operator on one level.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import duckdb
import pyarrow as pa

from schemas.instance import Span
from schemas.program import Program, Step
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
_APPLICATIONS = "WITH cur AS (SELECT node, image, a, b, c, p0, p1 FROM step WHERE {which}{ready})"
_SET_IS_READY = " AND step.{column} IN (SELECT node FROM ready)"
_ONE_IS_READY = " AND step.{column} IN (SELECT node FROM ones)"
_HAS_VALUE = """ AND EXISTS (
    FROM ones o JOIN attr ON attr.inst = o.inst AND attr.key = step.p0 WHERE o.node = step.a)"""
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
        self._spans: list[tuple[int, int, tuple[Span, ...]]] = []
        self._has_contact = False
        self._load(scenes)
        self.connection.execute("CREATE TEMP TABLE contact (a INTEGER, b INTEGER)")

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
        nodes = self._evaluate(runs)
        last = pa.table({"node": pa.array([numbers[-1] for numbers in nodes], pa.int32())})
        self._replace("last", last)
        rows = self.connection.execute("SELECT n.node, n.val FROM numbers n SEMI JOIN last USING (node)").fetchall()
        found: dict[int, int] = dict(rows)
        return [found.get(numbers[-1]) for numbers in nodes]

    def referents(self, runs: Sequence[ProgramRun]) -> list[list[frozenset[str]]]:
        """Returns per program and step the ids of the instances it denotes; empty for numbers, truths and undefined."""
        nodes = self._evaluate(runs)
        rows = self.connection.execute("SELECT node, inst FROM sets UNION ALL SELECT node, inst FROM ones").fetchall()
        found: dict[int, set[str]] = {}
        for node, inst in rows:
            found.setdefault(node, set()).add(self.instance_keys[inst])
        return [[frozenset(found.get(node, ())) for node in numbers] for numbers in nodes]

    def _replace(self, name: str, table: pa.Table) -> None:
        self.connection.register("incoming", table)
        self.connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS FROM incoming")
        self.connection.unregister("incoming")

    def _load(self, scenes: Iterable[Scene]) -> None:
        images: list[tuple[int, float, float]] = []
        facts: list[tuple[int, int, str, str, float, float, float, float, float, float, float, float | None]] = []
        attributes: list[tuple[int, str, str]] = []
        for scene in scenes:
            number = self.image_numbers.setdefault(scene.image.image_id, len(images))
            images.append((number, float(scene.image.width), float(scene.image.height)))
            for instance in scene.instances:
                inst = len(self.instance_keys)
                self.instance_keys.append(instance.instance_id)
                geometry = (*instance.centroid_xy, *instance.box_xyxy, float(instance.area), instance.depth)
                facts.append((inst, number, instance.instance_id, instance.category, *geometry))
                attributes += [(inst, attribute.key, attribute.value) for attribute in instance.attributes]
                self._spans.append((inst, number, instance.spans))
        self._replace("img", _table(images, ("image", "width", "height"), (pa.int32(), pa.float64(), pa.float64())))
        names = ("id", "image", "key", "category", "cx", "cy", "x0", "y0", "x1", "y1", "area", "depth")
        types = (pa.int32(), pa.int32(), pa.string(), pa.string(), *(pa.float64(),) * 8)
        self._replace("inst", _table(facts, names, types))
        self._replace("attr", _table(attributes, ("inst", "key", "value"), (pa.int32(), pa.string(), pa.string())))

    def _load_contacts(self) -> None:
        """Finds who touches whom; only where a program asks for it."""
        rows = [(inst, image, s.y, s.x0, s.x1) for inst, image, spans in self._spans for s in spans]
        self._replace("span", _table(rows, ("inst", "image", "y", "x0", "x1"), (pa.int32(),) * 5))
        self.connection.execute(_CONTACT)
        self._has_contact = True

    def _evaluate(self, runs: Sequence[ProgramRun]) -> list[list[int]]:
        """Fills the value tables; returns the node of every step of every program."""
        for table, column in _VALUE_TABLES.values():
            self.connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} (node INTEGER, {column})")
        graph = _Graph()
        nodes = [graph.add(self.image_numbers[run.image_id], run.program) for run in runs]
        self._replace("step", graph.table())
        if graph.has_contact and not self._has_contact:
            self._load_contacts()
        self.connection.execute("CREATE OR REPLACE TEMP TABLE ready AS SELECT node FROM step WHERE always")
        operators = load_operators()
        for level, name, always in sorted(graph.present):
            self._apply(level, operators[name], always)
        return nodes

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
            self.connection.execute(f"INSERT INTO ready {applications} SELECT node FROM cur")


_STEP_COLUMNS = {
    "node": pa.int32(),
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


class _Graph:
    """All steps of all programs; equal steps on the same image are one node."""

    def __init__(self) -> None:
        self.rows: list[tuple[object, ...]] = []
        self.levels: list[int] = []
        self.always: list[bool] = []
        self.number_of: dict[tuple[object, ...], int] = {}
        self.present: set[tuple[int, str, bool]] = set()
        self.has_contact = False
        self.operators = load_operators()

    def add(self, image: int, program: Program) -> list[int]:
        """Returns the nodes of a program's steps."""
        nodes: list[int] = []
        for step in program.steps:
            inputs = tuple([nodes[i] for i in step.inputs])
            key = (image, step.operator, inputs, step.params)
            node = self.number_of.get(key)
            if node is None:
                node = self.number_of[key] = len(self.rows)
                self._append(node, image, step, inputs)
            nodes.append(node)
        return nodes

    def _append(self, node: int, image: int, step: Step, inputs: tuple[int, ...]) -> None:
        level = 1 + max((self.levels[i] for i in inputs), default=-1)
        is_set = self.operators[step.operator].output is ValueType.SET
        always = is_set and all(self.always[i] for i in inputs)
        self.levels.append(level)
        self.always.append(always)
        self.present.add((level, step.operator, always))
        self.has_contact |= "touching" in step.params
        a, b, c = (*inputs, None, None, None)[:3]
        p0, p1 = (*(str(param) for param in step.params), None, None)[:2]
        self.rows.append((node, image, level, always, step.operator, a, b, c, p0, p1))

    def table(self) -> pa.Table:
        return _table(self.rows, tuple(_STEP_COLUMNS), tuple(_STEP_COLUMNS.values()))


def _table(rows: Sequence[tuple[object, ...]], names: Sequence[str], types: Sequence[pa.DataType]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    arrays = [pa.array(column, type=kind) for column, kind in zip(columns, types, strict=True)]
    return pa.table(dict(zip(names, arrays, strict=True)))
