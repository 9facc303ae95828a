"""Light on surfaces: matte surfaces and mirror-like metal, in linear light, and the display curve."""

from dataclasses import dataclass

import numpy as np

from stages.rendering import decals
from stages.rendering.film import faces_by_part
from stages.rendering.palette import LINEAR, Floats, Material, linear_from_hex
from stages.rendering.sprite import Sprite

_EMISSION = {"flame": 1.25, "glow": 0.75}
_BEAK = linear_from_hex("#f2a81d")
_SPOTS = np.array(
    [(0.05, 0.75, 0.66), (-0.62, 0.6, 0.5), (0.66, 0.55, 0.5), (-0.28, 0.25, 0.93), (0.4, 0.22, 0.88), (-0.9, 0.3, 0.3),
     (0.95, 0.25, 0.15), (-0.2, 0.95, 0.1), (0.35, 0.92, -0.1)],
    dtype=np.float32,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Light:
    """One key light, a sky above and light thrown back by the ground (all linear rgb)."""

    direction: Floats
    """Unit vector towards the key light, world axes."""
    key: Floats
    sky: Floats
    bounce: Floats


def paint(sprite: Sprite, colour: str, material: Material, decal: Floats | None, light: Light) -> Floats:
    """Returns the sprite's colour ``(H, W, 3)`` in display values 0..1, multiplied by its coverage."""
    albedo, emission = _albedo(sprite, colour, decal)
    shade = _metal if material == "metal" else _rubber
    lit = shade(sprite, albedo, light) if decal is None else _patched(sprite, albedo, decal, material, light)
    shown = to_display(lit + albedo * emission[:, None])
    height, width = sprite.coverage.shape
    n = sprite.oversampling
    samples = np.zeros((height * n * width * n, 3), dtype=np.float32)
    samples[sprite.hits] = shown
    return samples.reshape(height, n, width, n, 3).mean(axis=(1, 3), dtype=np.float32)


def to_display(linear: Floats) -> Floats:
    """Returns display values 0..1: a soft shoulder above 0.75, then a square root (exact on every machine)."""
    over = np.maximum(linear - 0.75, 0)
    soft = np.minimum(linear, 0.75) + over / (1 + over * 4)
    return np.sqrt(np.maximum(soft, 0)).astype(np.float32)


def mark_of(colour: str) -> tuple[Floats, Floats]:
    """Returns the colours of marks on a thing (patches, stripes, pips) and of the ink on such marks."""
    light, dark = LINEAR["paper"], LINEAR["ink"]
    return (dark, light) if colour == "white" else (light, dark)


def _albedo(sprite: Sprite, colour: str, decal: Floats | None) -> tuple[Floats, Floats]:
    mark, ink = mark_of(colour)
    own = LINEAR | {"body": LINEAR[colour], "spots": LINEAR[colour], "mark": mark, "beak": _BEAK}
    tints = [tint for part in sprite.model.parts for tint in part.shape.tints]
    albedo = np.stack([own[tint] for tint in tints])[sprite.faces]
    emission = np.array([_EMISSION.get(tint, 0.0) for tint in tints], dtype=np.float32)[sprite.faces]
    for part, first, last in faces_by_part(sprite.model.parts):
        if "spots" in part.shape.tints:
            offset = first + part.shape.tints.index("spots")
            on = np.flatnonzero((sprite.faces >= offset) & (sprite.faces < last))
            albedo[on[_spotted(sprite.points[on])]] = mark if colour == "white" else LINEAR["cream"]
    if decal is not None:
        patch = decal[:, :1]
        under = mark if patch.any() else albedo
        albedo = albedo * (1 - patch) + under * patch
        albedo = albedo * (1 - decal[:, 1:]) + (ink if patch.any() else mark) * decal[:, 1:]
    return albedo.astype(np.float32), emission


def panel_layers(sprite: Sprite, texture: Floats) -> Floats:
    """Returns patch and ink ``(M, 2)`` of a texture on the sprite's panel."""
    panel = sprite.model.panel
    if panel is None:
        raise ValueError("a model without a panel cannot carry a decal")
    u, v, ahead = panel.coordinates(sprite.points)
    layers = decals.sample(texture, u, v)
    layers[ahead < -0.5 * panel.radius] = 0
    return layers


def _spotted(points: Floats) -> "np.typing.NDArray[np.bool_]":
    around = (points - np.array([0, 0.46, 0], dtype=np.float32)) / np.array([0.5, 0.46, 0.5], dtype=np.float32)
    unit = _SPOTS / np.linalg.norm(_SPOTS, axis=1, keepdims=True)
    closeness = around @ unit.T
    return (closeness > 0.965).any(axis=1)


def _patched(sprite: Sprite, albedo: Floats, decal: Floats, material: Material, light: Light) -> Floats:
    matte = _rubber(sprite, albedo, light)
    if material == "matte":
        return matte
    cover = decal.max(axis=1)[:, None]
    return _metal(sprite, albedo, light) * (1 - cover) + matte * cover


def _grounding(sprite: Sprite) -> Floats:
    """Returns how much sky light reaches each hit: less near the ground and on the underside, ``(M, 1)``."""
    low = 1 / (1 + np.square(np.maximum(sprite.points[:, 1:2], 0) * 7))
    return (1 - 0.55 * low * (1 - 0.5 * np.maximum(sprite.normals[:, 1:2], 0))).astype(np.float32)


def _diffuse(sprite: Sprite, light: Light) -> Floats:
    normals = sprite.normals
    wrap = np.clip((normals @ light.direction + 0.18) / 1.18, 0, 1)[:, None]
    sky = 0.5 + 0.5 * normals[:, 1:2]
    return (wrap * light.key + (light.sky * sky + light.bounce * (1 - sky)) * _grounding(sprite)).astype(np.float32)


def _rubber(sprite: Sprite, albedo: Floats, light: Light) -> Floats:
    normals = sprite.normals
    view = -sprite.camera.axes[2]
    half = light.direction + view
    half = half / np.linalg.norm(half)
    sheen = np.maximum(normals @ half, 0) ** 2
    sheen = (sheen * sheen * sheen) ** 2
    rim = np.square(1 - np.clip(normals @ view, 0, 1)) ** 2
    gloss = 0.06 * sheen + 0.05 * rim
    return (albedo * _diffuse(sprite, light) + gloss[:, None] * light.key).astype(np.float32)


def _metal(sprite: Sprite, albedo: Floats, light: Light) -> Floats:
    normals = sprite.normals
    view = -sprite.camera.axes[2]
    facing = normals @ view
    mirror = 2 * facing[:, None] * normals - view
    mirror = mirror + (sprite.points - np.array([0, 0.5, 0], dtype=np.float32)) * 0.35
    mirror /= np.sqrt(np.einsum("ij,ij->i", mirror, mirror))[:, None]
    up = mirror[:, 1]
    horizon = _smooth(-0.08, 0.1, up)
    sky = 0.16 + 0.95 * _smooth(0.05, 0.8, up)
    below = 0.2 + 0.45 * _smooth(0.0, -0.9, up)
    room = (horizon * sky + (1 - horizon) * below)[:, None]
    window = _softbox(mirror, light.direction, 0.3, 0.42)
    side = light.direction * np.array([-1.2, 0.4, 0.9], dtype=np.float32)
    strip = _softbox(mirror, side / np.linalg.norm(side), 0.14, 0.6)
    half = light.direction + view
    glint = np.maximum(normals @ (half / np.linalg.norm(half)), 0)
    for _ in range(6):
        glint = glint * glint
    fresnel = (0.12 * np.square(1 - np.clip(facing, 0, 1)) ** 2)[:, None]
    tinted = albedo * (room * 1.05 + 0.9 * window + 0.7 * strip + 0.22 * _diffuse(sprite, light)) * _grounding(sprite)
    white = 0.34 * window + 0.12 * strip + 0.75 * glint[:, None] + fresnel * room
    return (tinted + white * light.key).astype(np.float32)


def _softbox(mirror: Floats, towards: Floats, half_width: float, half_height: float) -> Floats:
    """Returns the brightness ``(M, 1)`` of a rectangular lamp seen in the mirror direction, 0..1."""
    across = np.cross(np.array([0, 1, 0], dtype=np.float32), towards)
    across = across / np.linalg.norm(across)
    over = np.cross(towards, across)
    x, y, ahead = np.abs(mirror @ across), np.abs(mirror @ over), mirror @ towards
    edge = 0.07
    inside = _smooth(half_width, half_width - edge, x) * _smooth(half_height, half_height - edge, y)
    return np.where(ahead > 0, inside, 0)[:, None].astype(np.float32)


def _smooth(low: float, high: float, values: Floats) -> Floats:
    t = np.clip((values - low) / (high - low), 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)
