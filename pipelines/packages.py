"""The guard of our import names.

`pipelines`, `stages`, `annotation` and `schemas` are names another distribution may claim too; whose package is
imported would then depend on the working directory. Refusing to start is better than running somebody else's code.
"""

import importlib.util
from importlib.metadata import packages_distributions
from pathlib import Path

DISTRIBUTION = "hopyard"
PACKAGES = ("pipelines", "stages", "annotation", "schemas")
ROOT = Path(__file__).resolve().parent.parent
"""The folder that holds the four packages: the checkout, or site-packages of an installed wheel."""


def assert_own_packages() -> None:
    """Returns when each of our packages is ours alone.

    Raises:
        RuntimeError: a package is missing, is imported from outside our folder, or another distribution installs one.
    """
    owners = packages_distributions()
    problems = [problem for name in PACKAGES for problem in _problems(name, owners.get(name, []))]
    if problems:
        raise RuntimeError(
            f"{DISTRIBUTION} needs an environment of its own ({', '.join(PACKAGES)} must be its packages): "
            + "; ".join(problems)
        )


def _problems(name: str, owners: list[str]) -> list[str]:
    problems = [f"{other} also installs {name}" for other in sorted(set(owners) - {DISTRIBUTION})]
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        problems.append(f"{name} is not a package below {ROOT}")
    elif Path(spec.origin).resolve().parent != ROOT / name:
        problems.append(f"{name} is imported from {Path(spec.origin).parent}, not from {ROOT / name}")
    return problems
