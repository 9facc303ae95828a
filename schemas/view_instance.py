"""An instance as a harmless view of its picture showed it, at its place in the plain picture."""

import pyarrow as pa

from schemas.instance import INSTANCE_SCHEMA, Instance

SCHEMA_VERSION = 1


class ViewInstance(Instance):
    """An instance of one view. Its id says nothing: the same thing has another mask in every view."""

    view: str
    """flip, crop, pad, bright, dark or jpeg."""

    @classmethod
    def of(cls, view: str, instance: Instance) -> "ViewInstance":
        """Returns the instance as one of that view."""
        return cls.model_validate({**instance.model_dump(), "view": view})


VIEW_INSTANCE_SCHEMA = INSTANCE_SCHEMA.append(pa.field("view", pa.string()))
