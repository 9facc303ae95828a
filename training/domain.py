"""Fits the domain check: statistics of rendered scenes, plain and under harmless views. Needs no torch and no photos.

``python -m training.domain --scenes 800 --workers 2`` draws the scenes and writes `stages/segmenters/domain.npz`. Three
quarters of them give mean and spread; the limit is the farthest picture of the rest, so that next to none of its kind
is turned away.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray

from stages.rendering.config import RenderConfig
from stages.rendering.scene import render_scene
from stages.segmenters.domain import MODEL, distances_of, features_of, fit_domain, save_domain
from stages.views import UNFRAMED, view_of


def features_of_views(name: str) -> NDArray[np.float64]:
    """Returns ``(views, features)`` of a scene drawn anew: plain first, then every harmless view."""
    picture = render_scene(name, RenderConfig()).image
    return np.stack([features_of(picture), *(features_of(view_of(view, picture).pixels) for view in UNFRAMED)])


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.domain", description=__doc__)
    parser.add_argument("--scenes", type=int, default=800)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    names = [f"domain:{number}" for number in range(options.scenes)]
    with ProcessPoolExecutor(options.workers, mp_context=get_context("spawn")) as pool:
        features = np.stack(list(pool.map(features_of_views, names, chunksize=10)))
    fitting = 3 * len(features) // 4
    model = fit_domain(features[:fitting].reshape(-1, features.shape[-1]), 0.0)
    away = distances_of(features[fitting:].reshape(-1, features.shape[-1]), model)
    save_domain(model._replace(limit=round(float(away.max()), 3)), MODEL)
    print(f"{MODEL}: limit {away.max():.3f}, median {np.median(away):.3f} over {len(away)} pictures")


if __name__ == "__main__":
    main()
