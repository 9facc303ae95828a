"""What Label Studio is given: one project per annotator, and of a question no more than its words and its picture."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

LABELING_CONFIG = (Path(__file__).parent / "labeling_config.xml").read_text(encoding="utf-8")
DATA_FIELDS = ("key", "question", "image")
"""All that a labelling task holds. The answer, the program and where a question comes from stay here."""

SIGNED_MINUTES = 60
"""A signed address is good for so long; each look at the task makes a new one."""


class LabelingTask(NamedTuple):
    """One question in front of one annotator."""

    key: str
    question: str
    image: str
    """Address of the picture."""


def task_key(identity: str, question_id: str, question: str, annotator: str, round_number: int) -> str:
    """Returns the key of a labelling task: a hash of what is asked of whom, so that asking again is recognized.

    It tells an annotator nothing: it differs between annotators, and gold questions look like any other.
    """
    fields = (identity, question_id, question, annotator, str(round_number))
    text = "".join(f"{len(field)}:{field}" for field in fields)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def task_data(task: LabelingTask) -> dict[str, dict[str, str]]:
    """Returns the task as the server imports it."""
    return {"data": {"key": task.key, "question": task.question, "image": task.image}}


def local_image(folder: str, name: str) -> str:
    """Returns the address of a picture below the server's document root."""
    return f"/data/local-files/?d={folder}/{name}"


class Storage(NamedTuple):
    """Where the server finds the pictures of a project."""

    kind: str
    """As the server calls it: localfiles or s3."""
    settings: Mapping[str, Any]
    needs: str
    """What the server lacks where it refuses; for people."""


def local_storage(folder: Path) -> Storage:
    """Returns the storage of pictures in a folder of the server's machine, right below its document root."""
    needs = f"its machine must have the folder {folder}, below LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT={folder.parent}"
    return Storage("localfiles", {"path": str(folder), "use_blob_urls": True}, needs)


def bucket_storage(bucket: str, prefix: str) -> Storage:
    """Returns the storage of pictures in a bucket, of which the server gives out addresses that it signs.

    No key goes with it: the server signs with what its own environment says (``AWS_...``, ``S3_ENDPOINT``).
    """
    settings = {
        "bucket": bucket,
        "prefix": prefix,
        "use_blob_urls": True,
        "presign": True,
        "presign_ttl": SIGNED_MINUTES,
    }
    needs = f"it must be able to list s3://{bucket}/{prefix} with the AWS_ACCESS_KEY_ID of its own environment"
    return Storage("s3", settings, needs)


def bucket_image(bucket: str, prefix: str, name: str) -> str:
    """Returns the address of a picture in a bucket; whoever opens the task gets a signed one instead."""
    return f"s3://{bucket}/{prefix}/{name}"


def project_title(dataset: str, identity: str, annotator: str) -> str:
    """Returns the title of an annotator's project; the identity keeps datasets of the same name apart."""
    return f"{dataset[:20]} {identity} {annotator}"[:50]


def project_description(email: str) -> str:
    """Returns what tells the gate whose project it is."""
    return f"For {email}"


def project_body(title: str, email: str) -> dict[str, Any]:
    """Returns a new project as the server creates it: one answer per task, skips allowed, nothing of others shown."""
    return {
        "title": title,
        "description": project_description(email),
        "label_config": LABELING_CONFIG,
        "maximum_annotations": 1,
        "sampling": "Sequential sampling",
        "show_skip_button": True,
        "skip_queue": "IGNORE_SKIPPED",
        "enable_empty_annotation": False,
        "show_annotation_history": False,
        "show_collab_predictions": False,
        "show_instruction": False,
    }
