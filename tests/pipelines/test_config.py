import pytest
from pydantic import BaseModel

from pipelines.config import RunConfig, hash_config, load_profile, parse_config, with_per_image
from pipelines.errors import UserError
from schemas.record import Record


def test_the_judge_proves_by_the_rules_that_certified() -> None:
    config = parse_config({"synthesize": {"certify": {"max_luck": 0.1, "min_hops": 3, "max_hops": 5}}}, "test")
    assert config.judge.certify == config.synthesize.certify
    with pytest.raises(UserError, match="must equal those of synthesize"):
        parse_config({"judge": {"certify": {"max_luck": 0.5}}}, "test")


def test_a_configuration_comes_back_from_its_json() -> None:
    config = load_profile("default")
    assert parse_config(config.model_dump(mode="json"), "test") == config


def test_the_description_is_not_part_of_the_hash_and_every_option_is() -> None:
    config = RunConfig()
    assert hash_config(config) == hash_config(config.model_copy(update={"description": "other"}))
    assert hash_config(config) != hash_config(with_per_image(config, 7))


def test_per_image_reaches_synthesize_and_route() -> None:
    config = with_per_image(RunConfig(), 7)
    assert (config.synthesize.per_image, config.route.per_image) == (7, 7)


SECTIONS = [
    name
    for name, field in RunConfig.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
]


@pytest.mark.parametrize("section", SECTIONS)
def test_no_section_takes_an_unknown_option(section: str) -> None:
    with pytest.raises(UserError, match=f"{section}.no_such_option"):
        parse_config({section: {"no_such_option": 1}}, "test")


def test_every_section_is_frozen() -> None:
    config = RunConfig()
    assert isinstance(config, Record)
    for name in RunConfig.model_fields:
        value = getattr(config, name)
        assert isinstance(value, (str, bool, dict)) or value.model_config.get("frozen")
