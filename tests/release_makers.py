"""A dataset folder with accepted questions, made by hand: what publishing and showing work from."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import PIL.Image

from pipelines.dataset_info import DatasetInfo
from pipelines.parts import write_exclusively
from pipelines.store import Dataset, ShardWriter
from schemas.decision import Decision, Route
from schemas.drop import Drop, DropReason
from schemas.image import Image
from schemas.instance import Instance
from schemas.manifest import ShardManifest, UnitCount
from schemas.program import Program, Step, question_id_of
from schemas.question import Certificate, Hop, HopKind, Question, TraceStep, Variant
from schemas.record import Record
from schemas.verdict import Outcome, Verdict
from stages.ingest import DecodedImage, IngestConfig, read_image
from tests.makers import make_instance

ANY_SIZE = IngestConfig(min_side=8)


def make_pixels(seed: int, width: int = 96, height: int = 80):
    """Returns ``(H, W, 3)`` pixels: a few coloured rectangles over blotches and a gradient, no two seeds alike."""
    generator = np.random.default_rng(seed)
    ramp = np.linspace(40, 200, width, dtype=np.uint8)
    pixels = np.repeat(np.repeat(ramp[None, :, None], height, axis=0), 3, axis=2).copy()
    blotches = generator.integers(-40, 40, (9, 11))
    large = np.kron(blotches, np.ones((-(-height // 9), -(-width // 11))))[:height, :width, None]
    pixels = np.clip(pixels + large, 0, 255).astype(np.uint8)
    for _ in range(4):
        x, y = int(generator.integers(0, width - 24)), int(generator.integers(0, height - 24))
        pixels[y : y + 20, x : x + 20] = generator.integers(0, 255, 3)
    return pixels


def encode(pixels, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    PIL.Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def admit(data: bytes, uri: str) -> Image:
    """Returns the record of a file's bytes, as ingest makes it."""
    decoded = read_image(data, uri, "CC BY 4.0", ANY_SIZE)
    assert isinstance(decoded, DecodedImage), decoded
    return decoded.image


def make_instances(image: Image) -> tuple[Instance, ...]:
    """Returns a cup to the left and three balls to its right."""
    w, h = image.width, image.height
    boxes = [("cup", (2, h // 2, w // 5, h - 4))]
    boxes += [
        ("ball", (w // 4 + k * w // 4, 4 + 6 * k, w // 4 + k * w // 4 + w // 6, 4 + 6 * k + h // 4)) for k in range(3)
    ]
    return tuple(make_instance(category, box, image=image) for category, box in boxes)


def make_question(image: Image, instances: Sequence[Instance], number: int = 0, **changes: object) -> Question:
    """Returns a two-hop question about the image; ``number`` makes it another one."""
    cup, *balls = instances
    ball_ids = tuple(ball.instance_id for ball in balls)
    ball_boxes = tuple(ball.box_xyxy for ball in balls)
    program = Program(
        steps=(
            Step("scene"),
            Step("category", (0,), ("cup",)),
            Step("extreme", (1,), ("leftmost",)),
            Step("category", (0,), ("ball",)),
            Step("related", (2, 3), ("right_of",)),
            Step("count", (4,)),
            Step("add", (5,), (number,)),
        )
    )
    hops = (
        Hop(
            step=2, operator="extreme", kind=HopKind.INSTANCE_CHAIN, text="the leftmost cup", value=cup.instance_id,
            instance_ids=(cup.instance_id,), boxes_xyxy=(cup.box_xyxy,), candidates=1, luck=0,
        ),
        Hop(
            step=5, operator="count", kind=HopKind.PERCEPTION, text="balls to the right of it: 3", value="3",
            instance_ids=ball_ids, boxes_xyxy=ball_boxes, candidates=0, luck=0.125,
        ),
    )  # fmt: skip
    trace = (
        TraceStep(
            title="Find the cup", content="The cup farthest to the left.", next_action="continue",
            value=cup.instance_id, instance_ids=(cup.instance_id,), boxes_xyxy=(cup.box_xyxy,),
        ),
        TraceStep(
            title="Count", content="Three balls lie to its right.", next_action="summary", value="3",
            instance_ids=ball_ids, boxes_xyxy=ball_boxes,
        ),
    )  # fmt: skip
    fields: dict[str, object] = {
        "question_id": question_id_of(image.image_id, program),
        "image_id": image.image_id,
        "family_id": f"family-{number}",
        "variant": Variant.FULL,
        "style": "hopchain",
        "question": f"Start with the cup farthest to the left. How many balls lie to its right, plus {number}?",
        "answer": 3 + number,
        "program": program.to_json(),
        "shape": "count(related(extreme))",
        "cell": "count(related(extreme))/ball",
        "hops": hops,
        "hop_count": 2,
        "margin": 1.5 + number / 8,
        "weakest_fact": "right_of gap 14 px",
        "luck": 0.125,
        "strict": False,
        "certificates": (
            Certificate(name="answer", passed=True, detail="both executors: 3"),
            Certificate(name="necessity", passed=True, detail="every hop changes the answer"),
        ),
        "trace": trace,
        "categories": ("ball", "cup"),
        "stage_version": 1,
        "config_hash": "c0ffee",
        "seed": 7,
    }
    return Question.model_validate(fields | changes)


def accept(question: Question) -> Decision:
    return Decision(
        question_id=question.question_id, image_id=question.image_id, route=Route.ACCEPT, reason="certified"
    )


def passes(question: Question) -> list[Verdict]:
    """Returns a pass of every judge."""
    named = {"question_id": question.question_id, "image_id": question.image_id, "reason": ""}
    judges = ("second_executor", "certificates", "text_rules")
    return [Verdict(judge=judge, outcome=Outcome.PASS, **named) for judge in judges]


def write_dataset(root: Path, source: Path, tables: Mapping[str, Sequence[Record]], parts: int = 1) -> Dataset:
    """Writes a dataset folder with the given rows, each table cut into so many parts."""
    root.mkdir(parents=True, exist_ok=True)
    passed = [verdict for question in tables.get("questions", ()) for verdict in passes(question)]
    tables = {"verdicts": passed, **tables}
    write_exclusively(root / "dataset.json", DatasetInfo(source=str(source)).to_json().encode())
    dataset = Dataset(root)
    for shard in range(parts):
        writer = ShardWriter(dataset, f"key{shard}")
        for table, rows in tables.items():
            writer.add_records(table, rows[shard::parts], shard)
        counts = (UnitCount(unit="rows", taken=1, kept=1),)
        dataset.commit(
            ShardManifest(
                stage="made",
                shard=shard,
                key=f"key{shard}",
                version=1,
                config_hash="",
                input_digest="",
                counts=counts,
                parts=writer.parts,
                seconds=0,
            )  # fmt: skip
        )
    return dataset


def make_dataset(
    folder: Path, files: Mapping[str, bytes], per_image: int = 3, parts: int = 1, name: str = "dataset"
) -> Dataset:
    """Writes the files, and a dataset with ``per_image`` accepted questions about each."""
    source = folder / "source"
    images, instances, questions = [], [], []
    for uri, data in files.items():
        (source / uri).parent.mkdir(parents=True, exist_ok=True)
        (source / uri).write_bytes(data)
        image = admit(data, uri)
        own = make_instances(image)
        images.append(image)
        instances += own
        questions += [make_question(image, own, number) for number in range(per_image)]
    drops = [Drop(stage="ingest", id="x.png", parent_id="x.png", reason=DropReason.EMPTY_FILE, detail="0 bytes")]
    tables = {
        "images": images,
        "instances": instances,
        "questions": questions,
        "decisions": [accept(question) for question in questions],
        "drops": drops,
    }
    return write_dataset(folder / name, source, tables, parts)


def make_files(count: int, kind: str = "PNG") -> dict[str, bytes]:
    """Returns encoded pictures by uri, all different."""
    return {f"folder/{number:03d}.{kind.lower()}": encode(make_pixels(number), kind) for number in range(count)}
