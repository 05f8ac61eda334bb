"""Which tests the maps pass, from the metrics of some images.

A test is passed if its 95 % interval lies on the right side of its pass mark. A map that is exactly at the
mark passes with a probability of about 2.5 % (one-sided).

``deletion``, ``insertion``
    Mean over the images of the difference between the area of the map and that of the same map with
    its cells in random order, signed so that more is better. Mark: above 0, the mean difference if
    the places of the map mean nothing. Petsiuk et al. 2018, "RISE", section 4.3; a random ranking
    as baseline: Hooker et al. 2019, "A Benchmark for Interpretability Methods in Deep Neural
    Networks", section 4.

``occlusion``
    Mean rank correlation of Grad-CAM with the drop of the logit when a square is occluded. Mark:
    above 0, its mean if the cells of the map are permuted (Spearman's correlation has mean 0 under
    permutation). Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks",
    section 2.2.

``randomization``
    Mean rank correlation of the maps of the model with those of a network with random weights.
    Mark: up to the 95 % quantile of the correlation of maps of two different images, and never more
    than 0.5. Adebayo et al. 2018, "Sanity Checks for Saliency Maps", section 3.1, ask that the maps
    differ substantially, and give no bound. Maps of different images share only what all maps share
    (their smoothness, a preference for the centre); what is more alike than almost all of them shows
    the image or the architecture and not the weights.

``edges``
    Mean rank correlation of guided backpropagation with an edge detector. Mark: as before, from the
    correlation with the edges of other images. Adebayo et al. 2018, section 5 and figure 1.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from auditor.map_metrics.summary import Likeness, MapScores
from auditor.records import Estimate
from auditor.records.explanations import MapTestName, MapTestRecord
from auditor.statistics.map_sanity import mean_interval, unrelated_bound

_CAM, _GUIDED = "grad-cam", "guided-backprop"


def map_tests(scores: MapScores) -> list[MapTestRecord]:
    """The tests that could be made: those of Grad-CAM, then those of the detail view.

    Args:
        scores: metrics of some images. A test needs two of them; those of a randomized network, two
            networks.
    """
    return [one for one in _tests(scores) if one is not None]


def _tests(scores: MapScores) -> Iterator[MapTestRecord | None]:
    (deleted, deleted_random), (inserted, inserted_random) = (
        scores.areas[name] for name in ("deletion", "insertion")
    )
    yield _above_chance("deletion", deleted_random - deleted, (deleted, deleted_random))
    yield _above_chance("insertion", inserted - inserted_random, (inserted, inserted_random))
    yield _above_chance("occlusion", scores.occlusion)
    for explainer, likeness in scores.randomized.items():
        yield _as_unrelated("randomization", explainer, likeness, scores.network)
    if scores.edges is not None:
        yield _as_unrelated("edges", _GUIDED, scores.edges, None)


def _above_chance(
    test: MapTestName,
    values: NDArray[np.float64],
    areas: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
) -> MapTestRecord | None:
    found = mean_interval(values)
    if found is None:
        return None
    return MapTestRecord(
        test=test,
        explainer=_CAM,
        n_samples=int((~np.isnan(values)).sum()),
        value=Estimate.of(found),
        mark=0.0,
        passed=found.low > 0,
        map_area=None if areas is None else float(areas[0].mean()),
        random_area=None if areas is None else float(areas[1].mean()),
    )


def _as_unrelated(
    test: MapTestName, explainer: str, likeness: Likeness, network: NDArray[np.int64] | None
) -> MapTestRecord | None:
    found, bound = mean_interval(likeness.own, network), unrelated_bound(likeness.unrelated)
    if found is None or bound is None:
        return None
    return MapTestRecord(
        test=test,
        explainer="grad-cam" if explainer == _CAM else "guided-backprop",
        n_samples=int((~np.isnan(likeness.own)).sum()),
        value=Estimate.of(found),
        mark=bound,
        passed=found.high <= bound,
    )
