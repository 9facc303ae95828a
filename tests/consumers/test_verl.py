"""verl's own dataset class keeps every row of every RL-like release, in both layouts, and loads the shipped reward.

It drops a row that it cannot read without failing, so the number of rows is what counts.
"""

import sys
import types

import pyarrow.parquet as pq
import pytest

from stages.publish import Format, Layout, View

pytestmark = [pytest.mark.verl, pytest.mark.filterwarnings("default"), pytest.mark.timeout(600)]


@pytest.fixture
def dataset_class(monkeypatch):
    def process_vision_info(messages, **_):
        from PIL import Image

        blocks = [block for message in messages for block in message["content"] if block["type"] == "image"]
        images = [block["image"] for block in blocks]
        return [Image.open(image).convert("RGB") if isinstance(image, str) else image for image in images], None

    stub = types.ModuleType("qwen_vl_utils")  # the real one needs torchvision, and would do the same here
    stub.process_vision_info = process_vision_info
    monkeypatch.setitem(sys.modules, "qwen_vl_utils", stub)
    from verl.utils.dataset.rl_dataset import RLHFDataset

    return RLHFDataset


def opened(dataset_class, vlm, folder, **keys):
    from omegaconf import OmegaConf
    from transformers import AutoProcessor, AutoTokenizer

    options = {
        "image_key": "images",
        "max_prompt_length": 2048,
        "filter_overlong_prompts": True,
        "filter_overlong_prompts_workers": 1,
        **keys,
    }
    files = sorted(str(path) for path in folder.glob("*.parquet"))
    processor = AutoProcessor.from_pretrained(vlm)
    return dataset_class(files, AutoTokenizer.from_pretrained(vlm), OmegaConf.create(options), processor)


CASES = [
    (View.RL, Layout.EMBEDDED, Format.HOPYARD),
    (View.RL, Layout.PATHS, Format.HOPYARD),
    (View.RL, Layout.EMBEDDED, Format.VERL),
    (View.RL, Layout.PATHS, Format.VERL),
    (View.MCQ, Layout.EMBEDDED, Format.HOPYARD),
    (View.BOX, Layout.EMBEDDED, Format.VERL),
    (View.ERASURE, Layout.EMBEDDED, Format.HOPYARD),
    (View.PROCESS, Layout.EMBEDDED, Format.HOPYARD),
]


@pytest.mark.parametrize(("view", "layout", "format"), CASES)
def test_verl_keeps_every_row(released, vlm, shipped, dataset_class, view, layout, format):
    from verl.utils.dataset.rl_dataset import collate_fn

    report = released(view, layout, format)
    key = "prompt" if format is Format.VERL else "prompt_tagged"
    rows = opened(dataset_class, vlm, report.folder, prompt_key=key)
    assert len(rows) == sum(report.rows.values()) > 10
    items = [rows[number] for number in range(len(rows))]
    score = shipped(report.folder).compute_score
    for item in items:
        (message,) = item["raw_prompt"]
        assert [block["type"] for block in message["content"]] == ["image", "text"]
        gold = item["reward_model"]["ground_truth"]
        assert score(item["data_source"], f"\\boxed{{{gold}}}", gold, item["extra_info"]) == 1.0
        assert score(item["data_source"], f"\\boxed{{{gold}1}}", gold, item["extra_info"]) == 0.0
    assert len(collate_fn(items)["raw_prompt"]) == len(items)


def test_shards_of_a_release_share_one_schema(released):
    for view, layout, format in CASES:
        schemas = [pq.read_schema(path) for path in released(view, layout, format).folder.glob("*.parquet")]
        assert all(schema.equals(schemas[0], check_metadata=True) for schema in schemas)
    embedded, paths = (released(View.RL, layout) for layout in Layout)
    (one,), (other,) = ({pq.read_schema(p) for p in report.folder.glob("*.parquet")} for report in (embedded, paths))
    assert one.equals(other, check_metadata=True)


@pytest.mark.parametrize("name", ["hopyard_reward.py", "hopyard_process.py"])
def test_verl_loads_the_shipped_rewards_by_path(released, name):
    from verl.utils.import_utils import load_extern_object

    function = load_extern_object(str(released().folder / name), "compute_score")
    reply = {"data_source": "hopyard/hopchain", "solution_str": "\\boxed{7}", "ground_truth": "7"}
    assert function(**reply) == (1.0 if name == "hopyard_reward.py" else 0.1)
