"""The cut-offs below which a perceptual fact is not used."""

from pydantic import Field

from schemas.record import Record


class MarginConfig(Record):
    """The cut-offs of perceptual facts, as shares of the picture where not said otherwise."""

    side_gap: float = Field(default=0.04, gt=0)
    """Least centroid distance of left/right (of the width) and above/below (of the height)."""
    side_overlap: float = Field(default=0.4, ge=0)
    """Least centroid distance in units of the larger extent along the axis: at 0.5 a centre clears the other's edge."""
    order_gap: float = Field(default=0.04, gt=0)
    """Least lead of an extreme instance, by centroid and by edge."""
    area_ratio: float = Field(default=1.5, gt=1)
    """Least ratio of visible areas (and of box areas) for largest and smallest."""
    near_ratio: float = Field(default=1.25, gt=1)
    """Least ratio of distances for nearest and farthest."""
    near_gap: float = Field(default=0.03, gt=0)
    """Least difference of distances, between centroids and between boxes, in units of the diagonal."""
    depth_gap: float = Field(default=0.05, gt=0)
    """Least difference of depth, in the source's unit."""
    confidence: float = Field(default=0.6, gt=0, le=1)
    """Least confidence of an attribute, of those that have it and of those that have another."""
    visible_area: float = Field(default=0.003, gt=0, lt=1)
    """Least visible area of a referent, as a share of the picture's."""
    cut_off_area: float = Field(default=0.02, gt=0, lt=1)
    """The same for a referent that the picture's border cuts off."""
    contact_cells: int = Field(default=2, gt=0)
    """Least number of grid cells in contact, and least empty cells between instances that do not touch."""
