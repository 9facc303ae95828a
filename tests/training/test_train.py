import json
import sys

import numpy as np
import pytest

pytestmark = pytest.mark.models

torch = pytest.importorskip("torch")

from stages.rendering.config import RenderConfig  # noqa: E402
from stages.segmenters.onnx_graphs import WEIGHTS  # noqa: E402
from training.__main__ import main  # noqa: E402
from training.batches import box_of, generator_of, make_batch, make_sample  # noqa: E402
from training.losses import loss_of  # noqa: E402
from training.pool import Pool, draw_scene, write_shard  # noqa: E402
from training.train import (  # noqa: E402
    Times,
    TrainConfig,
    from_weights,
    load_state,
    new_state,
    rate_at,
    save_state,
    take_step,
    train,
)
from training.weights import read_weights  # noqa: E402

SMALL = RenderConfig(width=256, height=192, oversampling=1, max_things=4)
CONFIG = TrainConfig(steps=4, batch=1, warm_up=2)
RARELY = Times(evaluate=1e9, save=1e9, scenes=1)


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    torch.set_num_threads(1)
    where = tmp_path_factory.mktemp("pool")
    for split in ("train", "calibrate"):
        write_shard(where, split, 0, [draw_scene(split, number, SMALL) for number in range(3)])
    return where


def weights_of(state):
    return {name: value.clone() for name, value in state.average.state_dict().items()}


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="session")
def trained(folder, tmp_path_factory):
    run = tmp_path_factory.mktemp("run")
    state = train(folder, run, CONFIG, new_state(CONFIG, "cpu"), RARELY)
    return run, weights_of(state)


def test_a_run_cut_in_two_gives_the_same_weights(folder, trained, tmp_path):
    pool = Pool(folder, "train")
    state = new_state(CONFIG, "cpu")
    for step in range(2):
        take_step(state, make_batch(pool, CONFIG.seed, step, CONFIG.batch, CONFIG.varied), CONFIG, "cpu")
    save_state(state, CONFIG, tmp_path / "checkpoint.pt")
    resumed = train(folder, tmp_path, CONFIG, load_state(tmp_path / "checkpoint.pt", CONFIG, "cpu"), RARELY)
    assert resumed.step == 4
    assert same(weights_of(resumed), trained[1])


def test_another_seed_gives_other_weights_and_other_batches(folder):
    pool = Pool(folder, "train")
    assert not same(weights_of(new_state(CONFIG, "cpu")), weights_of(new_state(TrainConfig(seed=1), "cpu")))
    one, again, other = (make_batch(pool, seed, 5, 1, 0.5) for seed in (0, 0, 1))
    assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True))
    assert not torch.equal(one.pictures, other.pictures)


def test_a_run_leaves_a_checkpoint_and_a_line_of_its_learning_curve(trained):
    run, _ = trained
    content = torch.load(run / "checkpoint.pt", weights_only=True)
    assert content["step"] == 4
    line = json.loads((run / "curve.jsonl").read_text().splitlines()[-1])
    assert line["step"] == 4
    assert 0 <= line["box"] <= 1
    assert line["things"] >= SMALL.min_things


def test_a_picture_can_be_learnt_by_heart(folder):
    config = TrainConfig(steps=20, batch=1, warm_up=3, cool_down=0.1)
    batch = make_batch(Pool(folder, "train"), 0, 0, 1, 0.0)
    state = new_state(config, "cpu")
    told = [take_step(state, batch, config, "cpu") for _ in range(20)]
    assert told[-1]["loss"] < 0.6 * told[0]["loss"]
    assert told[-1]["iou"] > 0.3


def test_training_goes_on_from_the_published_weights(folder):
    state = from_weights(read_weights(WEIGHTS), CONFIG, "cpu")
    batch = make_batch(Pool(folder, "train"), 0, 0, 2, 0.0)
    told = take_step(state, batch, CONFIG, "cpu")
    fresh = take_step(new_state(CONFIG, "cpu"), batch, CONFIG, "cpu")
    assert told["mask"] < 0.5 * fresh["mask"]


def test_a_loss_that_is_no_number_stops_the_run(folder):
    state = new_state(CONFIG, "cpu")
    batch = make_batch(Pool(folder, "train"), 0, 0, 1, 0.0)
    with pytest.raises(FloatingPointError, match="the loss at step 0 is nan"):
        take_step(state, batch._replace(masks=batch.masks * float("nan")), CONFIG, "cpu")


def test_the_rate_rises_stays_and_falls():
    config = TrainConfig(steps=100, warm_up=10, cool_down=0.3)
    rates = [rate_at(step, config) for step in range(100)]
    assert rates[0] < rates[9] == rates[60] == config.rate
    assert all(a >= b for a, b in zip(rates[70:-1], rates[71:], strict=True))
    assert rates[99] < 0.05 * config.rate


@pytest.mark.parametrize("number", range(6))
def test_a_prompt_lies_on_its_thing(folder, number):
    sample = make_sample(Pool(folder, "train"), generator_of("prompt", number), 0.5)
    for point, box, is_box, mask in zip(sample.points, sample.boxes, sample.is_box, sample.masks, strict=True):
        if not mask.any():
            continue
        if is_box:
            true = box_of(mask > 0) * 2
            assert (np.abs(box - true) <= 0.08 * max(true[2:] - true[:2]) + 6).all()
        else:
            x, y = (point / 2).astype(int)
            assert mask[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].max() > 0
    assert not sample.masks[0].any()  # the first asks for the ground


def test_right_answers_cost_next_to_nothing(folder):
    batch = make_batch(Pool(folder, "train"), 0, 1, 1, 0.0)
    hard = batch._replace(masks=(batch.masks > 0.5).float())
    logits = (hard.masks.flatten(0, 1)[:, None] * 2 - 1).expand(-1, 4, -1, -1) * 20
    is_thing = (hard.masks.flatten(2).amax(2) > 0).float().flatten()
    dense = torch.cat([(batch.dense[:, :2] * 2 - 1) * 20, batch.dense[:, 2:]], dim=1)
    loss, told = loss_of(logits, is_thing[:, None].expand(-1, 4), dense, hard)
    assert told["iou"] == pytest.approx(1)
    assert float(loss) < 0.05


@pytest.mark.parametrize("command", ["pool", "train", "export", "crops", "singles", "calibrate", "signs", "evaluate"])
def test_every_command_explains_itself(command, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["training", command, "--help"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: python -m training {command}")
