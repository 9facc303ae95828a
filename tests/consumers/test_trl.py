"""TRL trains on the release: two steps of GRPO with the shipped reward, of SFT and of DPO, on a tiny random model."""

import math

import pytest

from stages.publish import Format, Layout, View

pytestmark = [pytest.mark.trl, pytest.mark.filterwarnings("default"), pytest.mark.timeout(600)]

SMALL = {
    "use_cpu": True,
    "bf16": False,
    "gradient_checkpointing": False,
    "max_steps": 2,
    "report_to": [],
    "save_strategy": "no",
    "logging_steps": 1,
}


def load(folder, split="train", cache=None):
    import datasets

    return datasets.load_dataset(str(folder), split=split, cache_dir=str(cache))


def losses_of(trainer):
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


@pytest.mark.parametrize(
    ("layout", "format"),
    [(Layout.EMBEDDED, Format.HOPYARD), (Layout.PATHS, Format.HOPYARD), (Layout.EMBEDDED, Format.TRL)],
)
def test_trl_takes_two_grpo_steps_with_the_shipped_reward(released, vlm, shipped, tmp_path, layout, format):
    from trl import GRPOConfig, GRPOTrainer

    folder = released(View.RL, layout, format).folder
    reward = shipped(folder)
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
        output_dir=str(tmp_path), per_device_train_batch_size=4, num_generations=4, max_completion_length=8, **SMALL
    )
    train = load(folder, cache=tmp_path / "cache")
    trainer = GRPOTrainer(model=vlm, reward_funcs=[hopyard_reward, length], args=config, train_dataset=train)
    trainer.train()
    assert trainer.state.global_step == 2
    assert max(float(entry.get("grad_norm", 0)) for entry in trainer.state.log_history) > 0
    assert len(seen) == 8 and all(isinstance(text, str) for text in seen)


@pytest.mark.parametrize("view", [View.SFT_REASONING, View.SFT_SUMMARY])
def test_trl_takes_two_supervised_steps(released, vlm, tmp_path, view):
    from trl import SFTConfig, SFTTrainer

    config = SFTConfig(output_dir=str(tmp_path), per_device_train_batch_size=2, max_length=None, **SMALL)
    train = load(released(view).folder, cache=tmp_path / "cache").select_columns(["messages", "images"])
    trainer = SFTTrainer(model=vlm, args=config, train_dataset=train)
    trainer.train()
    assert trainer.state.global_step == 2
    assert len(losses_of(trainer)) == 2 and all(math.isfinite(loss) and loss > 0 for loss in losses_of(trainer))


def test_trl_takes_two_preference_steps(released, vlm, tmp_path):
    from trl import DPOConfig, DPOTrainer

    config = DPOConfig(output_dir=str(tmp_path), per_device_train_batch_size=2, max_length=None, **SMALL)
    train = load(released(View.DPO, format=Format.TRL).folder, cache=tmp_path / "cache")
    trainer = DPOTrainer(model=vlm, args=config, train_dataset=train)
    trainer.train()
    assert trainer.state.global_step == 2
    assert len(losses_of(trainer)) == 2 and all(math.isfinite(loss) and loss > 0 for loss in losses_of(trainer))
