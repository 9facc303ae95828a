"""The domain pack of a run: one that comes with the package, or the user's own file."""

from functools import cache
from pathlib import Path

from pipelines.config import RunConfig
from pipelines.errors import UserError
from stages.domains import Domain, domain_names, load_domain, parse_domain


def domain_of(config: RunConfig) -> Domain:
    """Returns the domain that a configuration names.

    Raises:
        UserError: there is no such domain, or its file says something that is no option.
    """
    return _load(config.domain)


def with_domain(config: RunConfig, name_or_path: str | None) -> RunConfig:
    """Returns the configuration with another domain.

    Raises:
        UserError: there is no such domain.
    """
    changed = config if name_or_path is None else config.model_copy(update={"domain": name_or_path})
    domain_of(changed)
    return changed


@cache
def _load(name_or_path: str) -> Domain:
    if name_or_path in domain_names():
        return load_domain(name_or_path)
    try:
        return parse_domain(Path(name_or_path).read_text(encoding="utf-8"), name_or_path)
    except (OSError, UnicodeDecodeError) as error:
        known = ", ".join(domain_names())
        raise UserError(f"there is no domain {name_or_path}: give {known} or the path of a TOML file") from error
    except ValueError as error:
        raise UserError(str(error)) from error
