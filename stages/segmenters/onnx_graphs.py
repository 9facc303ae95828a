"""The shipped graphs, run by onnxruntime: encoder, decoder, crop classifier. No torch.

One thread each: pictures are spread over processes, and two threads that spin for one core are slower than one.
"""

import functools
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.segmenters.protocol import Floats, SegmenterError

if TYPE_CHECKING:
    import onnxruntime

WEIGHTS = Path(__file__).parent / "weights"
"""The weights that come with the package."""


class Graph(NamedTuple):
    """One loaded graph."""

    session: "onnxruntime.InferenceSession"
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def run(self, arrays: dict[str, NDArray[Any]]) -> dict[str, Floats]:
        """Returns the outputs by name; what the graph does not take is left out."""
        given = {name: arrays[name] for name in self.inputs}
        return dict(zip(self.outputs, self.session.run(None, given), strict=True))


class Graphs(NamedTuple):
    """The graphs of one folder and what its card says of them."""

    encoder: Graph
    decoder: Graph
    crops: Graph | None
    card: dict[str, Any]
    digest: str
    """Of all files: changes when the weights do."""


@functools.cache
def open_graphs(folder: Path) -> Graphs:
    """Returns the graphs of a folder, loaded once per process.

    Raises:
        SegmenterError: a file is missing or is no graph.
    """
    crops = folder / "crops.onnx"
    try:
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
        return Graphs(
            open_graph(folder / "encoder.onnx"),
            open_graph(folder / "decoder.onnx"),
            open_graph(crops) if crops.exists() else None,
            card,
            digest_of_folder(folder),
        )
    except FileNotFoundError as error:
        raise SegmenterError(f"the embedded segmenter has no {Path(error.filename).name} in {folder}") from None
    except ValueError as error:
        raise SegmenterError(f"{folder / 'card.json'} is not JSON: {error}") from None


def open_graph(path: Path) -> Graph:
    """Returns one graph, on one thread of the processor.

    Raises:
        FileNotFoundError: there is no such file.
        SegmenterError: onnxruntime cannot read it.
    """
    import onnxruntime  # 0.4 s that only this back-end needs to spend

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    except FileNotFoundError:
        raise
    except Exception as error:  # noqa: BLE001 - onnxruntime raises classes of its own for every kind of damage
        raise SegmenterError(f"{path} is no graph that onnxruntime reads: {str(error).splitlines()[0]:.120}") from None
    inputs = tuple(one.name for one in session.get_inputs())
    return Graph(session, inputs, tuple(one.name for one in session.get_outputs()))


def digest_of_folder(folder: Path) -> str:
    """Returns a hash of the names and contents of a folder's weights and card."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*")):
        if path.suffix in (".onnx", ".json", ".npz"):
            digest.update(path.name.encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def as_input(array: NDArray[Any]) -> Floats:
    """Returns float32 in one piece, as graphs want it."""
    return np.ascontiguousarray(array, dtype=np.float32)
