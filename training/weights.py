"""The published weights as a file that training can go on from: safetensors, matrices and kernels in half precision."""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from training.model import TinySam

WEIGHTS = "segmenter.safetensors"


def save_weights(model: TinySam, folder: Path) -> Path:
    """Writes the weights of a model into a folder."""
    state = {
        name: (value.half() if value.is_floating_point() and value.ndim > 1 else value).contiguous().cpu()
        for name, value in model.state_dict().items()
    }
    save_file(state, folder / WEIGHTS)
    return folder / WEIGHTS


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Returns the weights of a folder in single precision."""
    state: dict[str, Tensor] = load_file(folder / WEIGHTS)
    return {name: value.float() if value.is_floating_point() else value for name, value in state.items()}


def open_model(folder: Path) -> TinySam:
    """Returns the published model, ready to use."""
    model = TinySam()
    model.load_state_dict(read_weights(folder))
    return model.eval().requires_grad_(False).to(torch.device("cpu"))
