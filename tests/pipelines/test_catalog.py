from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest

from pipelines.catalog import ask, connect
from pipelines.errors import UserError
from pipelines.options import RunOptions
from pipelines.part_files import SCHEME, PartFiles
from pipelines.produce import produce_plain
from pipelines.store import Dataset
from pipelines.tables import TABLES, VIEWS
from tests.pipelines.tables_of import files_of


def rows(dataset: Dataset, sql: str) -> list[tuple[object, ...]]:
    with ask(dataset, sql) as answer:
        return list(answer.rows)


def test_every_table_is_a_typed_view(finished: Dataset) -> None:
    for name in VIEWS:
        described = [row[0] for row in rows(finished, f"describe {name}")]
        assert described == TABLES[name].schema.names
    assert rows(finished, "select count(*) from rollouts") == [(0,)]
    assert rows(finished, "select count(*) from images") == [(12,)]


def test_nested_columns_can_be_unnested(finished: Dataset) -> None:
    found = rows(finished, "select q.question_id, h.hop.kind from questions q, unnest(q.hops) h(hop) limit 3")
    assert len(found) == 3
    assert {kind for _, kind in found} <= {"instance_chain", "perception"}


FORBIDDEN = [
    "insert into images select * from images",
    "delete from images",
    "update images set uri = ''",
    "create table mine as from images",
    "create view mine as from images",
    "drop view images",
    "copy images to '{root}/stolen.parquet'",
    "copy (select 1) to '{part}' (use_tmp_file false)",
    "copy images from '/etc/passwd'",
    "explain analyze copy (select 1) to '{part}' (use_tmp_file false)",
    "export database '{root}/export'",
    "attach '{root}/mine.db'",
    "from read_csv('/etc/passwd')",
    "from read_text('/etc/passwd')",
    "from read_parquet('{part}')",
    "copy (select 1) to '{name}' (use_tmp_file false)",
    "explain analyze copy (select 1) to '{name}' (use_tmp_file false)",
    "attach '{name}'",
    "from read_parquet('hopyard://../dataset.json')",
    "from read_text('hopyard:///etc/passwd') where content is not null union all select error('none')",
    "from read_text('https://example.org/')",
    "from glob('/etc/*')",
    "from '/etc/passwd'",
    "install httpfs",
    "load httpfs",
    "set enable_external_access = true",
    "set lock_configuration = false",
    "pragma enable_profiling",
    "call pragma_version()",
    "checkpoint",
    "begin transaction",
    "from dataset",
    "from finished",
    "select 1; select 2",
    "",
    "selec",
    "select nothing from images",
]


@pytest.mark.parametrize("sql", FORBIDDEN)
def test_whatever_does_more_than_read_the_views_is_refused_in_one_line(finished: Dataset, sql: str) -> None:
    part = finished.root / finished.parts("questions")[0].path
    before = files_of(finished.root)
    with pytest.raises(UserError) as refusal:
        rows(finished, sql.format(root=finished.root, part=part, name=SCHEME + finished.parts("questions")[0].path))
    assert str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert files_of(finished.root) == before


def test_the_connection_itself_reaches_no_file(finished: Dataset) -> None:
    part = finished.root / finished.parts("questions")[0].path
    with connect(finished) as connection:
        for sql in (f"copy (select 1) to '{part}' (use_tmp_file false)", f"from read_parquet('{part}')"):
            with pytest.raises(duckdb.PermissionException):
                connection.execute(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "copy (select 1) to '{name}' (use_tmp_file false)",
        "copy (select 1) to '{name}'",
        "copy (select 1) to 'hopyard://questions/mine.parquet'",
        "copy (select 1 a) to 'hopyard://questions' (format parquet, partition_by (a), overwrite)",
        "export database 'hopyard://mine'",
        "attach 'hopyard://mine.db'",
        "set allowed_directories = ['/']",
        "set allowed_paths = ['/etc/passwd']",
        "install httpfs",
        "load httpfs",
    ],
)
def test_parts_can_be_named_and_not_written(finished: Dataset, sql: str) -> None:
    before = files_of(finished.root)
    with connect(finished) as connection, pytest.raises(duckdb.Error):
        connection.execute(sql.format(name=SCHEME + finished.parts("questions")[0].path))
    assert files_of(finished.root) == before


def test_no_file_but_committed_parts_has_a_name(finished: Dataset) -> None:
    with connect(finished) as connection:
        for path in ("dataset.json", "../secret", "/etc/passwd", "*", "**/*.parquet", f"{finished.root}/dataset.json"):
            assert connection.execute(f"select content from read_text('{SCHEME}{path}')").fetchall() == []
            assert connection.execute(f"select file from glob('{SCHEME}{path}')").fetchall() == []
        internal = finished.parts("segments")[0].path
        assert connection.execute(f"select content from read_blob('{SCHEME}{internal}')").fetchall() == []


def test_a_query_while_a_run_goes_on_sees_whole_shards(tiny_options: RunOptions) -> None:
    counts = []

    class Reader:
        def say(self, text): ...
        def begin(self, stage, total, done): ...
        def end(self): ...

        def advance(self, manifest):
            dataset = Dataset.open(tiny_options.out)
            orphans = "from instances anti join images using (image_id)"
            assert rows(dataset, orphans) == []
            counts.append(rows(dataset, "select count(distinct image_id) from instances")[0][0])

    produce_plain(tiny_options, Reader())
    assert set(counts) == {0, 4, 8, 12}


def test_a_folder_that_is_no_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a dataset"):
        rows(Dataset.open(tmp_path), "select 1")


def test_threads_that_share_an_open_part_do_not_move_each_other(tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(b"0123456789")
    part = PartFiles(tmp_path, ["part"]).open("hopyard://part")
    part.seek(2)
    with ThreadPoolExecutor(1) as other:
        other.submit(part.seek, 7).result()
        assert part.read(3) == b"234"
        assert other.submit(part.read, 9).result() == b"789"
    assert part.tell() == 5
    with pytest.raises(PermissionError):
        PartFiles(tmp_path, ["part"]).open("part", "wb")
    with pytest.raises(FileNotFoundError):
        PartFiles(tmp_path, ["part"]).open("hopyard://other")
