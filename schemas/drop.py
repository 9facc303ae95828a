"""A drop: an expected rejection, a fact about the data. Never an exception, never silence."""

from enum import StrEnum

import pyarrow as pa

from schemas.record import Record

SCHEMA_VERSION = 1


class DropReason(StrEnum):
    """Why something was rejected. One member per rule; the detail holds the numbers."""

    # ingest
    UNREADABLE_IMAGE = "unreadable_image"
    TRUNCATED_IMAGE = "truncated_image"
    EMPTY_FILE = "empty_file"
    TOO_LARGE = "too_large"
    TOO_SMALL = "too_small"
    UNSUPPORTED_FORMAT = "unsupported_format"
    DUPLICATE_IMAGE = "duplicate_image"
    # identify, segment, describe
    NO_ANNOTATION = "no_annotation"
    ANNOTATION_SIZE_MISMATCH = "annotation_size_mismatch"
    MISSING_IMAGE = "missing_image"
    UNKNOWN_CATEGORY = "unknown_category"
    BAD_ANNOTATION = "bad_annotation"
    EMPTY_MASK = "empty_mask"
    BAD_POLYGON = "bad_polygon"
    BAD_RLE = "bad_rle"
    OUTSIDE_IMAGE = "outside_image"
    CROWD_REGION = "crowd_region"
    TINY_INSTANCE = "tiny_instance"
    DUPLICATE_INSTANCE = "duplicate_instance"
    GROUND_MASK = "ground_mask"
    MERGED_MASK = "merged_mask"
    PART_OF_WHOLE = "part_of_whole"
    OVERLAPPED_MASK = "overlapped_mask"
    OUT_OF_DOMAIN = "out_of_domain"
    UNNAMED_THING = "unnamed_thing"
    UNCERTAIN_SCENE = "uncertain_scene"
    UNSTABLE_ANSWER = "unstable_answer"
    CATEGORY_HAS_CROWD = "category_has_crowd"
    CATEGORY_HAS_TINY_INSTANCES = "category_has_tiny_instances"
    CATEGORY_TRUNCATED = "category_truncated"
    CATEGORY_NOT_COUNTABLE = "category_not_countable"
    CATEGORY_CROWDED = "category_crowded"
    CATEGORY_INCOMPLETE = "category_incomplete"
    # synthesize
    TOO_FEW_INSTANCES = "too_few_instances"
    TOO_FEW_CATEGORIES = "too_few_categories"
    NO_CERTIFIED_PROGRAM = "no_certified_program"
    # certificates
    EXECUTION_UNDEFINED = "execution_undefined"
    ANSWER_OUT_OF_RANGE = "answer_out_of_range"
    EXECUTORS_DISAGREE = "executors_disagree"
    DEAD_HOP = "dead_hop"
    MISSING_HOP_KIND = "missing_hop_kind"
    HOP_COUNT_OUT_OF_RANGE = "hop_count_out_of_range"
    LUCK_ABOVE_BOUND = "luck_above_bound"
    NOT_UNIQUE = "not_unique"
    MARGIN_BELOW_CUTOFF = "margin_below_cutoff"
    UNSUPPORTED_FACT = "unsupported_fact"
    GIVE_AWAY = "give_away"
    # replies of models
    NO_REPLY = "no_reply"
    UNREADABLE_REPLY = "unreadable_reply"
    # screen, identify and look by a model
    NOT_RICH = "not_rich"
    BAD_CATEGORY = "bad_category"
    UNSURE_CATEGORY = "unsure_category"
    MERGED_CATEGORY = "merged_category"
    HALLUCINATED_CATEGORY = "hallucinated_category"
    UNKNOWN_ATTRIBUTE = "unknown_attribute"
    UNSURE_ATTRIBUTE = "unsure_attribute"
    # questions and traces written by a model
    ANSWER_DISAGREES = "answer_disagrees"
    MEANING_DISAGREES = "meaning_disagrees"
    NOT_EXECUTABLE = "not_executable"
    BLIND_SOLVED = "blind_solved"
    TOO_EASY = "too_easy"
    BAD_TRACE = "bad_trace"
    JUDGE_UNRELIABLE = "judge_unreliable"
    # judge, route, publish
    NOT_IN_VIEW = "not_in_view"
    BAD_TEXT = "bad_text"
    DUPLICATE_QUESTION = "duplicate_question"
    NEAR_DUPLICATE_IMAGE = "near_duplicate_image"
    NEAR_DUPLICATE_QUESTION = "near_duplicate_question"
    BENCHMARK_OVERLAP = "benchmark_overlap"
    OVER_QUOTA = "over_quota"
    JUDGE_FAILED = "judge_failed"
    NO_VERDICT = "no_verdict"


class Drop(Record):
    """One rejection."""

    stage: str
    """The stage that rejected."""
    id: str
    """What was rejected: a uri, image, instance, category or question id."""
    parent_id: str
    """What it came from: the uri of an image, the image of an instance or question."""
    reason: DropReason
    detail: str = ""
    """The value and the rule, in words: "area 12 px is below 0.1% of the image"."""


DROP_SCHEMA = pa.schema(
    [
        ("stage", pa.string()),
        ("id", pa.string()),
        ("parent_id", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
    ]
)
