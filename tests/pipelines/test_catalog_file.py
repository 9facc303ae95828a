"""`catalog.duckdb` says what `hopyard query` says, to anybody's DuckDB, also after the dataset has moved."""

import json
import shutil
import subprocess
import sys

import duckdb
import pytest

from pipelines.catalog import connect
from pipelines.catalog_file import FILE_NAME, write_catalog
from pipelines.people.tables import commit_record
from pipelines.people.votes import Record
from pipelines.publish import publish_dataset
from pipelines.store import Dataset
from pipelines.tables import VIEWS
from schemas.annotation import PeopleDecision, Purpose, Standing
from schemas.question import Question
from tests.release_makers import make_dataset, make_files


@pytest.fixture(scope="module")
def catalogued(finished: Dataset, tmp_path_factory) -> Dataset:
    root = tmp_path_factory.mktemp("catalog") / "dataset"
    shutil.copytree(finished.root, root)
    write_catalog(Dataset(root))
    return Dataset(root)


def opened(root):
    connection = duckdb.connect(root / FILE_NAME, read_only=True)
    connection.execute("SET file_search_path = $folder", {"folder": str(root)})
    return connection


def plain(answer):
    """Returns the rows as texts: DuckDB gives arrays of a fixed size as tuples, and Parquet keeps them as lists."""
    return sorted(json.dumps(row, default=str) for row in answer.fetchall())


def test_every_view_and_macro_says_the_same_in_both(catalogued):
    views = (*VIEWS, "decisions_in_effect", "outcomes", "solve_rates", "votes", "work", "balances", "losses")
    statements = [f"FROM {name}" for name in views]
    statements += ["FROM yield_by_stage()", "FROM cost_per_kept()", "FROM hardest_families(most := 3)"]
    statements += ["FROM judge_vs_people()", "FROM category_story('cup')"]
    with connect(catalogued) as ours, opened(catalogued.root) as theirs:
        for statement in statements:
            mine, other = (c.execute(f"SELECT * FROM ({statement})") for c in (ours, theirs))
            assert [column[0] for column in mine.description] == [column[0] for column in other.description]
            assert plain(mine) == plain(other), statement


def test_it_works_where_one_stands_also_after_the_dataset_moved(catalogued, tmp_path):
    moved = tmp_path / "elsewhere"
    shutil.copytree(catalogued.root, moved)
    ask = "duckdb.connect('catalog.duckdb', read_only=True).execute('SELECT count(*) FROM questions').fetchall()"
    program = f"import duckdb; print({ask}[0][0])"
    options = {"cwd": moved, "capture_output": True, "text": True, "check": True, "timeout": 60}
    said = subprocess.run([sys.executable, "-c", program], **options)
    assert int(said.stdout) == catalogued.read("questions").num_rows > 0


def test_it_is_written_again_only_when_something_was_committed(catalogued, tmp_path):
    root = tmp_path / "dataset"
    shutil.copytree(catalogued.root, root)
    before = (root / FILE_NAME).stat().st_mtime_ns
    assert write_catalog(Dataset(root)) == root / FILE_NAME
    assert (root / FILE_NAME).stat().st_mtime_ns == before
    Dataset(root).retract(Dataset(root).manifests("route")[0])
    write_catalog(Dataset(root))
    with opened(root) as connection:
        assert connection.execute("SELECT count(*) FROM decisions").fetchall() == [(0,)]
    assert [path.name for path in root.glob("*.duckdb*")] == [FILE_NAME]


def test_a_damaged_catalog_is_replaced(catalogued, tmp_path):
    root = tmp_path / "dataset"
    shutil.copytree(catalogued.root, root)
    (root / FILE_NAME).write_bytes(b"not a database")
    write_catalog(Dataset(root))
    with opened(root) as connection:
        assert connection.execute("SELECT count(*) FROM images").fetchall() == [(12,)]


def test_it_follows_publishing_and_what_people_say(tmp_path):
    dataset = make_dataset(tmp_path, make_files(2))
    publish_dataset(dataset.root)
    with opened(dataset.root) as connection:
        assert connection.execute("SELECT count(*) FROM samples").fetchall() == [(6,)]
    question = next(dataset.records("questions", Question))
    said = {"question_id": question.question_id, "image_id": question.image_id, "round": 0, "votes": 4, "agreeing": 0}
    told = {"purpose": Purpose.AUDIT, "rule": "unanimous", "standing": Standing.REJECTED, "decided_by": "rule"}
    numbers = {"answer": None, "own": question.answer, "posterior": None}
    commit_record(dataset, Record((), ()), (PeopleDecision(**said, **told, **numbers, reason="no"),))
    with opened(dataset.root) as connection:
        sql = "SELECT route, count(*) FROM decisions_in_effect GROUP BY ALL ORDER BY ALL"
        assert connection.execute(sql).fetchall() == [("accept", 5), ("drop", 1)]


@pytest.mark.parametrize("name", ["a,b", "is it?", "answer=3", "it's [1]*"])
def test_a_folder_may_have_any_name(catalogued, tmp_path, name):
    root = tmp_path / name
    shutil.copytree(catalogued.root, root)
    (root / FILE_NAME).unlink()
    write_catalog(Dataset(root))
    shutil.copytree(root, tmp_path / "plain")
    sql = "SELECT question_id, answer FROM questions ORDER BY ALL"
    with opened(tmp_path / "plain") as theirs, connect(catalogued) as ours:
        assert theirs.execute(sql).fetchall() == ours.execute(sql).fetchall() != []
    assert sorted(path.name for path in root.glob("catalog*")) == [FILE_NAME]
