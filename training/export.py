"""The trained model as two graphs for onnxruntime, with weights stored in half precision."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn

from training.encoder import EMBED, GRID, IMAGE_SIZE, SKIPS, normalise
from training.model import TinySam

OPSET = 17
_SMALLEST = 64
"""Values a stored array needs to be worth halving."""
MAPS = ("e", "f8", "f4", "f2")
"""Names of the picture's maps: outputs of the encoder, inputs of the decoder."""


class EncoderGraph(nn.Module):
    """A picture ``(1, 3, 256, 256)``, 0..255, to its maps and the dense logits ``(1, 4, 64, 64)``."""

    def __init__(self, model: TinySam) -> None:
        """Takes the parts it needs."""
        super().__init__()
        self.encoder, self.auxiliary = model.image_encoder, model.auxiliary

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Returns e, f8, f4, f2 and dense."""
        *maps, wide = self.encoder(normalise(image))
        return (*maps, self.auxiliary(wide))


class DecoderGraph(nn.Module):
    """The maps of one picture and ``n`` prompts to masks ``(n, 4, 128, 128)`` and their predicted IoU ``(n, 4)``."""

    def __init__(self, model: TinySam) -> None:
        """Takes the parts it needs."""
        super().__init__()
        self.prompts, self.decoder = model.prompt_encoder, model.mask_decoder
        self.register_buffer("position", model.prompt_encoder.get_dense_pe().detach())

    def forward(self, maps: tuple[Tensor, ...], points: Tensor, boxes: Tensor, isbox: Tensor) -> tuple[Tensor, Tensor]:
        """Returns masks and iou of prompts ``(n, 2)``, ``(n, 4)``, ``(n,)``; coordinates in pixels of 256 x 256."""
        sparse, dense = self.prompts.embed_mixed(points, boxes, isbox)
        masks, iou = self.decoder.decode(maps, self.position, sparse, dense)
        return masks, iou


def export_segmenter(model: TinySam, folder: Path) -> None:
    """Writes ``encoder.onnx`` and ``decoder.onnx`` into a folder."""
    model = model.eval().cpu().to(memory_format=torch.contiguous_format)
    folder.mkdir(parents=True, exist_ok=True)
    picture = torch.zeros(1, 3, IMAGE_SIZE, IMAGE_SIZE)
    export_graph(EncoderGraph(model), (picture,), folder / "encoder.onnx", (("image",), (*MAPS, "dense"), ()))
    sides = {"e": (EMBED, GRID)} | {f"f{stride}": (SKIPS[stride], IMAGE_SIZE // stride) for stride in SKIPS}
    maps = tuple(torch.zeros(1, sides[name][0], sides[name][1], sides[name][1]) for name in MAPS)
    prompts = torch.rand(3, 2) * 99, torch.tensor([[9.0, 9, 60, 70]] * 3), torch.tensor([0.0, 1, 0])
    names = (*MAPS, "points", "boxes", "isbox"), ("masks", "iou"), ("points", "boxes", "isbox", "masks", "iou")
    export_graph(DecoderGraph(model), (maps, *prompts), folder / "decoder.onnx", names)


def export_graph(module: nn.Module, example: tuple[Any, ...], path: Path, names: tuple[tuple[str, ...], ...]) -> None:
    """Writes a module as a graph. `names` are its inputs, its outputs, and those of both whose first axis may vary."""
    inputs, outputs, dynamic = names
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # constants of the trace, and this exporter's age
        torch.onnx.export(
            module.eval(),
            example,
            str(path),
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes={name: {0: "n"} for name in dynamic},
            opset_version=OPSET,
            dynamo=False,
        )
    halve_weights(path)


def halve_weights(path: Path) -> None:
    """Stores a graph's weights as float16, each with a cast back to float32 before its use."""
    model = onnx.load(str(path))
    casts = []
    for weight in model.graph.initializer:
        array: NDArray[Any] = numpy_helper.to_array(weight)
        if array.dtype != np.float32 or array.size < _SMALLEST or np.abs(array).max() > np.finfo(np.float16).max:
            continue
        name, stored = weight.name, f"{weight.name}_half"
        weight.CopyFrom(numpy_helper.from_array(array.astype(np.float16), stored))
        casts.append(onnx.helper.make_node("Cast", [stored], [name], to=onnx.TensorProto.FLOAT, name=f"{name}_cast"))
    for cast in reversed(casts):
        model.graph.node.insert(0, cast)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
