"""What a dataset says, as plain data: for comparing two of them."""

from pathlib import Path

from pipelines.store import Dataset
from pipelines.tables import TABLES


def tables_of(dataset: Dataset) -> dict[str, list[dict[str, object]]]:
    """Returns the rows of every table, sorted, whatever parts they lie in."""
    return {name: sorted(dataset.read(name).to_pylist(), key=repr) for name in TABLES if name != "samples"}


def files_of(root: Path) -> dict[str, tuple[int, int]]:
    """Returns size and modification time of every file below a folder."""
    return {
        path.relative_to(root).as_posix(): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
