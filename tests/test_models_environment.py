"""The model libraries import side by side, warnings being errors."""

import importlib
import importlib.util

import pytest

pytestmark = pytest.mark.models

LIBRARIES = (
    "torch",
    "transformers",
    "trl",
    "peft",
    "accelerate",
    "datasets",
    "onnx",
    "onnxruntime",
    "safetensors",
    "openai",
)


@pytest.mark.parametrize("name", LIBRARIES)
def test_model_library_imports(name):
    assert importlib.import_module(name).__version__


def test_torch_computes_without_torchvision():
    torch = importlib.import_module("torch")
    assert torch.ones(2, 2).matmul(torch.ones(2, 2)).sum().item() == 8.0
    assert importlib.util.find_spec("torchvision") is None
