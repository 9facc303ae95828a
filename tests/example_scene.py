"""The scene on which every operator's own example holds: cup, ball one, box, ball two, star, from left to right."""

from schemas.instance import Instance
from schemas.scene import Scene
from tests.makers import Box, make_image, make_instance, make_scene

IMAGE = make_image("example")
_THINGS: dict[str, tuple[str, Box, dict[str, str]]] = {
    "cup": ("cup", (8, 24, 28, 44), {"colour": "red", "material": "metal", "size": "small"}),
    "ball one": ("ball", (44, 60, 68, 84), {"colour": "red", "material": "rubber", "size": "small"}),
    "box": ("box", (100, 20, 130, 50), {"colour": "blue", "digit": "7", "material": "metal", "size": "small"}),
    "ball two": ("ball", (126, 100, 150, 124), {"colour": "green", "material": "rubber", "size": "small"}),
    "star": ("star", (150, 150, 186, 186), {"colour": "white", "material": "metal", "points": "5", "size": "large"}),
}
ID_OF = {name: f"i-{name.replace(' ', '-')}" for name in _THINGS}
NAME_OF = {instance_id: name for name, instance_id in ID_OF.items()}


def example_scene() -> Scene:
    """Returns the scene."""
    return make_scene(
        *(_thing(name) for name in _THINGS),
        supports=("colour", "depth", "digit", "material", "points", "size"),
        image=IMAGE,
    )


def _thing(name: str) -> Instance:
    category, box, looks = _THINGS[name]
    return make_instance(category, box, looks, IMAGE, instance_id=ID_OF[name], depth=1 - box[3] / 192)
