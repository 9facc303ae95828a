"""What the torch back-ends share: where to run, loading weights safely, and saying in one line what is missing."""

import importlib.util
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from stages.segmenters.protocol import Floats, Pixels, SegmenterError

Device = Literal["auto", "cpu", "cuda"]


class Place(NamedTuple):
    """Where a model runs and in which precision."""

    device: str
    dtype: Any
    """A torch dtype: half precision on an accelerator, single on a processor, where half is slower."""

    def to_tensor(self, array: Any) -> Any:  # noqa: ANN401 - a tensor
        """Returns the array as a tensor here."""
        import torch

        return torch.as_tensor(array).to(self.device)

    def cast(self, tensor: Any) -> Any:  # noqa: ANN401 - a tensor
        """Returns a float tensor in the precision of this place."""
        return tensor.to(self.dtype)

    def running(self) -> AbstractContextManager[Any]:
        """Returns the context to run a model in: no gradients."""
        import torch

        context: AbstractContextManager[Any] = torch.inference_mode()
        return context


def place_of(device: Device, half: bool) -> Place:
    """Returns the place to run at.

    Raises:
        SegmenterError: an accelerator is asked for and there is none.
    """
    import torch

    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        raise SegmenterError("segmenter.device is cuda, but torch finds no accelerator here; say auto or cpu")
    on_gpu = there and device != "cpu"
    return Place("cuda" if on_gpu else "cpu", torch.float16 if on_gpu and half else torch.float32)


def need(kind: str, *packages: str) -> None:
    """Raises SegmenterError, naming the extra, where a package is not installed."""
    missing = [name for name in packages if importlib.util.find_spec(name.replace("-", "_")) is None]
    if missing:
        raise SegmenterError(f"the segmenter {kind} needs {' and '.join(missing)}: pip install 'hopyard[sam]'")


def load_state(path: Path, kind: str) -> dict[str, Any]:
    """Returns the weights of a checkpoint: safetensors, or a pickle read with `weights_only`, which runs no code.

    Raises:
        SegmenterError: there is no such file, or it is no plain dictionary of tensors.
    """
    import torch

    if not path.is_file():
        raise SegmenterError(
            f"the segmenter {kind} finds no checkpoint {path}; download one once and give its path: --checkpoint FILE"
        )
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001 - unpickling what came from outside may fail in any way
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise SegmenterError(f"{path} is no checkpoint of plain tensors: {first:.160}") from None
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise SegmenterError(f"{path} is no checkpoint of plain tensors: it holds a {type(state).__name__}")
    return state


def import_transformers(kind: str) -> Any:  # noqa: ANN401 - a module without types
    """Returns the module `transformers`.

    Raises:
        SegmenterError: it is not installed, or a torchvision that does not fit torch breaks it.
    """
    need(kind, "torch", "transformers")
    try:
        import transformers
        from transformers import SamModel
    except (ImportError, RuntimeError) as error:
        told = str(error).strip().splitlines()
        raise SegmenterError(
            f"the segmenter {kind} cannot use transformers here ({told[-1] if told else error!r:.120}); if it names "
            "torchvision, the installed one does not fit torch: pip uninstall torchvision, which nothing here needs"
        ) from None
    assert SamModel is not None  # transformers loads its models lazily: this line is the check
    return transformers


def from_pretrained(model_class: Any, model: str, kind: str, place: Place) -> Any:  # noqa: ANN401 - a model
    """Returns a model of transformers from a folder or a model id, ready to run. Only safetensors are read.

    Raises:
        SegmenterError: the model is neither a folder nor in the local cache nor can be fetched.
    """
    if not model:
        raise SegmenterError(f"the segmenter {kind} needs a model: --checkpoint FOLDER, or a model id of the hub")
    try:
        loaded = model_class.from_pretrained(model, dtype=place.dtype, use_safetensors=True)
    except (OSError, ValueError) as error:
        told = " ".join(str(error).split())
        raise SegmenterError(
            f"the segmenter {kind} cannot load {model!r} ({told:.110}); fetch it once with `hf download {model}`, then "
            "give the folder as --checkpoint and set HF_HUB_OFFLINE=1 to stay offline"
        ) from None
    return loaded.eval().to(place.device)


def normalised(picture: Pixels, size: tuple[int, int], mean: Any, std: Any) -> Floats:  # noqa: ANN401 - 3 numbers
    """Returns ``(3, h, w)``: the picture at that size (height, width), 0..1, with the mean taken off, over std."""
    import PIL.Image

    resized = PIL.Image.fromarray(picture).resize((size[1], size[0]), PIL.Image.Resampling.BILINEAR)
    channels = np.asarray(resized, dtype=np.float32) / 255
    shown: Floats = ((channels - np.float32(mean)) / np.float32(std)).transpose(2, 0, 1).astype(np.float32)
    return shown
