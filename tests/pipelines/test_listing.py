import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.dataset_info import DatasetInfo
from pipelines.errors import UserError
from pipelines.listing import Listed, commit_listing, default_shard_size, list_files, plan_listing
from pipelines.opening import open_for_run

PNG = b"\x89PNG\r\n\x1a\n rest"


def fill(folder: Path, *names: str, data: bytes = PNG) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def test_files_are_listed_recursively_in_the_order_of_their_uris(tmp_path: Path) -> None:
    fill(tmp_path, "b/z.png", "b.png", "a.JPG", "b-.png", "c/d/e.webp", "0.tiff")
    uris = [file.uri for file in list_files(tmp_path, None)]
    assert uris == sorted(["b/z.png", "b.png", "a.JPG", "b-.png", "c/d/e.webp", "0.tiff"])
    assert [file.uri for file in list_files(tmp_path, 2)] == uris[:2]


def test_what_is_no_image_by_name_or_content_is_not_listed(tmp_path: Path) -> None:
    fill(tmp_path, "picture.dat", "picture", ".hidden.png", ".cache/x.png")
    fill(tmp_path, "notes.txt", "instances.json", data=b"{}")
    fill(tmp_path, "broken.jpg", "apple.heic", data=b"?")
    uris = {file.uri for file in list_files(tmp_path, None)}
    assert uris == {"picture.dat", "picture", "broken.jpg", "apple.heic"}


def test_links_are_followed_to_files_and_not_to_folders(tmp_path: Path) -> None:
    fill(tmp_path / "in", "a.png")
    fill(tmp_path / "elsewhere", "b.png")
    (tmp_path / "in" / "link.png").symlink_to(tmp_path / "elsewhere" / "b.png")
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "dangling.png").symlink_to(tmp_path / "nothing")
    assert [file.uri for file in list_files(tmp_path / "in", None)] == ["a.png", "dangling.png", "link.png"]


def test_a_name_that_is_no_text_is_a_drop_and_stops_nothing(tmp_path: Path) -> None:
    fill(tmp_path / "in", "a.png")
    with open(os.fsencode(tmp_path / "in") + b"/\xff.png", "wb") as file:
        file.write(PNG)
    files = list_files(tmp_path / "in", None)
    with open_for_run(tmp_path / "out", DatasetInfo(source="x")) as dataset:
        manifest = commit_listing(dataset, plan_listing(dataset, files, 8))
        assert (manifest.counts[0].taken, manifest.counts[0].kept) == (2, 1)
        assert dataset.read("drops")["id"].to_pylist() == ["\\xff.png"]


@pytest.mark.parametrize("name", ["nothing", "file.png", "empty"])
def test_a_source_without_images_is_refused(tmp_path: Path, name: str) -> None:
    fill(tmp_path, "file.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError):
        list_files(tmp_path / name, None)


@given(st.integers(1, 200), st.integers(1, 40))
def test_shards_are_consecutive_runs_of_all_files(tmp_path_factory, count: int, shard_size: int) -> None:
    files = [Listed(f"{number:05d}.png", number) for number in range(count)]
    with open_for_run(tmp_path_factory.mktemp("out"), DatasetInfo(source="x")) as dataset:
        manifest = commit_listing(dataset, plan_listing(dataset, files, shard_size))
        parts = sorted(manifest.parts, key=lambda part: part.shard)
        assert [part.rows for part in parts[:-1]] == [shard_size] * (len(parts) - 1)
        assert dataset.read("sources", parts)["uri"].to_pylist() == [file.uri for file in files]
        assert commit_listing(dataset, plan_listing(dataset, files, shard_size)) == manifest


@given(st.integers(1, 10_000_000))
def test_the_default_makes_at_most_a_thousand_shards_and_no_tiny_ones(count: int) -> None:
    size = default_shard_size(count)
    assert size >= 8
    assert -(-count // size) <= 1000
    assert size <= 64 or count > 64_000
