"""What a rendered scene may look like."""

from pydantic import Field

from schemas.record import Record


class RenderConfig(Record):
    """Size of the picture and number of things; everything else is drawn from the scene's name."""

    width: int = Field(default=512, ge=256, le=2048)
    """Pixels."""
    height: int = Field(default=384, ge=192, le=2048)
    """Pixels."""
    min_things: int = Field(default=3, ge=1)
    max_things: int = Field(default=12, ge=1, le=20)
    oversampling: int = Field(default=2, ge=1, le=4)
    """Samples per pixel along each axis."""
    min_visible: float = Field(default=0.5, gt=0, le=1)
    """Least visible share of a thing's own outline."""
