"""The release as its consumers read it: `datasets`, verl's dataset class, TRL's vision GRPO.

What runs without torch restates the consumer's own steps. Where trl or verl is installed, the real thing runs too:
in an environment of its own with torch, transformers and trl (or verl), `python -m pytest tests/test_loaders.py`.
`HOPYARD_RELEASE=DIR/release` in the environment runs all of it on a release of your own.
"""

import importlib.util
import io
import os
import re
import sys
import types
from pathlib import Path

import numpy as np
import PIL.Image
import pyarrow.parquet as pq
import pytest

from pipelines.publish import publish_dataset
from schemas.huggingface import huggingface_features
from schemas.release_row import RELEASE_SCHEMA, RESERVED_COLUMNS
from stages.ingest import image_id_of
from stages.publish import PublishConfig
from tests.release_makers import encode, make_dataset, make_files, make_pixels

datasets = pytest.importorskip("datasets", reason="needs datasets")

os.environ.setdefault("OMP_NUM_THREADS", "1")

needs_trl = pytest.mark.skipif(
    importlib.util.find_spec("trl") is None or importlib.util.find_spec("torch") is None,
    reason="needs torch, transformers and trl: an environment of their own",
)
needs_verl = pytest.mark.skipif(
    importlib.util.find_spec("verl") is None or importlib.util.find_spec("torch") is None,
    reason="needs torch, transformers and verl (pip install --no-deps verl): an environment of their own",
)


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    if "HOPYARD_RELEASE" in os.environ:
        return Path(os.environ["HOPYARD_RELEASE"])
    folder = tmp_path_factory.mktemp("release")
    files = make_files(30) | {f"photo/{n}.jpg": encode(make_pixels(100 + n), "JPEG", quality=90) for n in range(10)}
    return publish_dataset(make_dataset(folder, files).root, config=PublishConfig(rows_per_file=40)).folder


@pytest.fixture(scope="module")
def rows(release, tmp_path_factory):
    files = sorted(str(path) for path in release.glob("*.parquet"))
    return datasets.load_dataset(
        "parquet", data_files=files, split="train", cache_dir=str(tmp_path_factory.mktemp("cache"))
    )


def row_count(release):
    return sum(pq.read_metadata(path).num_rows for path in release.glob("*.parquet"))


def test_datasets_shows_pictures(release, rows):
    assert len(rows) == row_count(release)
    for row in rows:
        (picture,) = row["images"]
        assert isinstance(picture, PIL.Image.Image)
        assert image_id_of(np.asarray(picture.convert("RGB"))) == row["image_id"]


def test_datasets_honours_the_card(release, tmp_path):
    loaded = datasets.load_dataset(str(release), cache_dir=str(tmp_path))
    assert set(loaded) == {path.name.partition("-")[0] for path in release.glob("*.parquet")}
    assert sum(len(split) for split in loaded.values()) == row_count(release)
    for name, split in loaded.items():
        assert set(split["split"]) == {name}
        assert [info["index"] for info in split["extra_info"]] == list(range(len(split)))


def test_feature_description_is_what_datasets_makes_of_the_types():
    ours = datasets.Features.from_dict(huggingface_features(RELEASE_SCHEMA))
    derived = datasets.Features.from_arrow_schema(RELEASE_SCHEMA.remove_metadata())
    assert datasets.Features.from_arrow_schema(RELEASE_SCHEMA) == ours
    assert {name for name in ours if ours[name] != derived[name]} == {"images"}


def test_the_release_made_here_has_several_files_per_split(release):
    if "HOPYARD_RELEASE" not in os.environ:
        assert len(list(release.glob("train-*.parquet"))) >= 3 and row_count(release) == 120


def test_shards_share_one_schema(release):
    schemas = [pq.read_schema(path) for path in release.glob("*.parquet")]
    assert schemas
    assert all(schema.equals(RELEASE_SCHEMA, check_metadata=False) for schema in schemas)
    assert len({schema.metadata[b"huggingface"] for schema in schemas}) == 1


def verl_messages(row, prompt_key, image_key):
    """What verl's RLHFDataset._build_messages does with a row."""
    images, offset = row.get(image_key) or [], 0
    messages = [dict(message) for message in row[prompt_key]]
    for message in messages:
        blocks = []
        for segment in re.split("(<image>|<video>|<audio>)", message["content"]):
            if segment == "<image>":
                assert offset < len(images)
                image = images[offset]
                if isinstance(image, dict):
                    image = PIL.Image.open(io.BytesIO(image["bytes"]))
                blocks.append({"type": "image", "image": image.convert("RGB")})
                offset += 1
            elif segment:
                assert segment not in ("<video>", "<audio>")
                blocks.append({"type": "text", "text": segment})
        message["content"] = blocks
    assert offset == len(images)
    return messages


@pytest.mark.parametrize("decoded", [True, False])
def test_verl_finds_one_picture_per_placeholder_in_every_row(rows, decoded):
    shown = rows if decoded else rows.cast_column("images", datasets.List(datasets.Image(decode=False)))
    for row in shown:
        (message,) = verl_messages(row, "prompt_tagged", "images")
        assert [block["type"] for block in message["content"]] == ["image", "text"]
        assert message["content"][0]["image"].mode == "RGB"
        assert row["reward_model"] == {"style": "rule", "ground_truth": row["answer"]}
        assert row["data_source"] and isinstance(row["extra_info"]["index"], int)


def test_trl_finds_a_plain_conversation_beside_the_pictures(rows):
    assert not RESERVED_COLUMNS & set(rows.column_names)
    for row in rows:
        assert [message["role"] for message in row["prompt"]] == ["user"]
        assert all(isinstance(message["content"], str) for message in row["prompt"])
        assert "<image>" not in row["prompt"][0]["content"]
    assert rows.features["images"] == datasets.List(datasets.Image())


def tiny_vlm(folder, corpus):
    """Saves a random LLaVA of 0.2 M parameters with its processor."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import (
        CLIPVisionConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
        PreTrainedTokenizerFast,
        Qwen2Config,
    )
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    text = Tokenizer(models.BPE())
    text.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    text.decoder = decoders.ByteLevel()
    special = ["<|pad|>", "<|im_start|>", "<|im_end|>", "<image>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=512, initial_alphabet=alphabet, special_tokens=special, show_progress=False
    )
    text.train_from_iterator(corpus, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=text,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|pad|>",
        padding_side="left",
        extra_special_tokens={"image_token": "<image>"},
    )
    template = (
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
        "{% if m['content'] is string %}{{ m['content'] }}{% else %}"
        "{% for c in m['content'] %}{% if c['type'] == 'image' %}<image>\n{% elif c['type'] == 'text' %}{{ c['text'] }}"
        "{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    processor = LlavaProcessor(
        image_processor=CLIPImageProcessorPil(size={"height": 32, "width": 32}, do_center_crop=False, resample=3),
        tokenizer=tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=template,
    )
    size = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(image_size=32, patch_size=8, projection_dim=32, **size),
        text_config=Qwen2Config(
            vocab_size=len(tokenizer),
            num_key_value_heads=2,
            max_position_embeddings=2048,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            tie_word_embeddings=True,
            **size,
        ),
        image_token_index=tokenizer.image_token_id,
        vision_feature_layer=-1,
        tie_word_embeddings=True,
    )
    model = LlavaForConditionalGeneration(config)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def vlm(rows, tmp_path_factory):
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    return str(tiny_vlm(tmp_path_factory.mktemp("vlm"), [row["prompt"][0]["content"] for row in rows]))


def shipped_reward(release):
    spec = importlib.util.spec_from_file_location("shipped_reward", release / "hopyard_reward.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@needs_trl
@pytest.mark.filterwarnings("default")
@pytest.mark.timeout(600)
def test_trl_takes_two_grpo_steps_with_the_shipped_reward(release, vlm, tmp_path):
    from trl import GRPOConfig, GRPOTrainer

    reward = shipped_reward(release)
    seen = []

    def hopyard_reward(completions, **columns):
        rewards = reward.hopyard_reward(completions, **columns)
        seen.extend(completion[0]["content"] for completion in completions)
        perfect = [[{"role": "assistant", "content": f"\\boxed{{{gold}}}"}] for gold in columns["solution"]]
        assert reward.hopyard_reward(perfect, **columns) == [1.0] * len(completions)
        return rewards

    def length(completions, **_):  # so that there is something to learn: a random model never gets a number right
        return [float(len(completion[0]["content"])) for completion in completions]

    config = GRPOConfig(
        output_dir=str(tmp_path), use_cpu=True, bf16=False, gradient_checkpointing=False, per_device_train_batch_size=4,
        num_generations=4, max_completion_length=8, max_steps=2, report_to=[], save_strategy="no", logging_steps=1,
    )  # fmt: skip
    train = datasets.load_dataset(str(release), split="train", cache_dir=str(tmp_path / "cache"))
    trainer = GRPOTrainer(model=vlm, reward_funcs=[hopyard_reward, length], args=config, train_dataset=train)
    trainer.train()
    assert trainer.state.global_step == 2
    assert max(float(entry.get("grad_norm", 0)) for entry in trainer.state.log_history) > 0
    assert len(seen) == 8 and all(isinstance(text, str) for text in seen)


@needs_verl
@pytest.mark.filterwarnings("default")
@pytest.mark.timeout(600)
def test_verl_keeps_every_row(release, vlm, monkeypatch):
    from omegaconf import OmegaConf
    from transformers import AutoProcessor, AutoTokenizer

    def process_vision_info(messages, **_):
        blocks = [block for message in messages for block in message["content"] if block["type"] == "image"]
        return [block["image"] for block in blocks], None

    stub = types.ModuleType("qwen_vl_utils")  # the real one needs torchvision, and would do the same here
    stub.process_vision_info = process_vision_info
    monkeypatch.setitem(sys.modules, "qwen_vl_utils", stub)
    from verl.utils.dataset.rl_dataset import RLHFDataset, collate_fn

    options = {
        "prompt_key": "prompt_tagged",
        "image_key": "images",
        "max_prompt_length": 1024,
        "filter_overlong_prompts": True,
        "filter_overlong_prompts_workers": 1,
    }
    files = sorted(str(path) for path in release.glob("*.parquet"))
    processor = AutoProcessor.from_pretrained(vlm)
    dataset = RLHFDataset(files, AutoTokenizer.from_pretrained(vlm), OmegaConf.create(options), processor)
    assert len(dataset) == row_count(release)
    items = [dataset[number] for number in range(len(dataset))]
    for item in items:
        assert [block["type"] for block in item["raw_prompt"][0]["content"]] == ["image", "text"]
        reward = shipped_reward(release).compute_score
        gold = item["reward_model"]["ground_truth"]
        assert reward(item["data_source"], f"\\boxed{{{gold}}}", gold, item["extra_info"]) == 1.0
        assert reward(item["data_source"], f"\\boxed{{{gold}1}}", gold, item["extra_info"]) == 0.0
    assert len(collate_fn(items)["raw_prompt"]) == len(items)


@needs_verl
@pytest.mark.filterwarnings("default")
def test_verl_loads_the_shipped_reward_by_path(release):
    from verl.utils.import_utils import load_extern_object

    function = load_extern_object(str(release / "hopyard_reward.py"), "compute_score")
    assert function(data_source="hopyard/hopchain", solution_str="\\boxed{7}", ground_truth="7") == 1.0
