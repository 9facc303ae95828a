"""Program operators, one file each; every module that exports ``OPERATOR`` is found by walking this package once."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from stages.operators.operator import Operator


@cache
def load_operators() -> Mapping[str, Operator]:
    """Returns all operators by name, read-only.

    Raises:
        ValueError: two files export the same name, or a name differs from its file's.
    """
    found: dict[str, Operator] = {}
    for module in pkgutil.iter_modules(__path__):
        if module.name == "operator":
            continue
        operator: Operator = importlib.import_module(f"{__name__}.{module.name}").OPERATOR
        if operator.name != module.name.rstrip("_"):
            raise ValueError(f"operator {operator.name!r} is in the file {module.name}.py")
        if operator.name in found:
            raise ValueError(f"operator {operator.name!r} is defined twice")
        found[operator.name] = operator
    return MappingProxyType(found)
