"""segment_anything's modules, imported as the back-end imports them: with or without a torchvision that works."""

from stages.segmenters.lent_torchvision import import_segment_anything

import_segment_anything()

from segment_anything.modeling import MaskDecoder, PromptEncoder, Sam, TwoWayTransformer  # noqa: E402

__all__ = ["MaskDecoder", "PromptEncoder", "Sam", "TwoWayTransformer"]
