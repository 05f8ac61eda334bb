"""What the audit is compared with: Domino's mixture, group accuracy, cleanlab's score."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from sklearn.decomposition import PCA
from sklearn.model_selection import cross_val_score
from sklearn.naive_bayes import GaussianNB

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]


def domino(
    features: NDArray[np.float32],
    label: Integers,
    shares: NDArray[np.float32],
    search: Mask,
    *,
    components: int = 25,
    slices: int = 5,
    weight: float = 10.0,
    rounds: int = 100,
    seed: int = 0,
) -> list[Integers]:
    """Domino's error-aware mixture.

    Each component is a Gaussian with diagonal covariance over features, a categorical law of the
    label and one of the predicted probabilities; the latter two have a weight. It is fitted on one
    half by expectation and maximisation, begun from confusions; the components with the largest
    difference of label and prediction are the slices.

    Args:
        features: (n, d) of the samples.
        label: (n,) indices.
        shares: (n, K) predicted probabilities.
        search: (n,) who is fitted on; the others are ranked.
        components: of the mixture.
        slices: how many are returned.
        weight: of label and prediction.
        rounds: of the fit.
        seed: of what is drawn.

    Returns:
        For each slice the positions of the other samples, most typical first.

    Reference:
        S. Eyuboglu et al., "Domino: discovering systematic errors with cross-modal embeddings",
        ICLR 2022, section 4.2, equations 1 and 2; weight 10 and 25 components as there.
    """
    generator = np.random.default_rng(seed)
    reduced = PCA(min(128, features.shape[1], int(search.sum())), random_state=seed)
    reduced.fit(features[search])
    z = reduced.transform(features)
    truth = np.eye(shares.shape[1])[label]
    fitted, prediction = z[search], shares[search].astype(np.float64)
    # Begun from the cells of the confusion matrix, the failures' first.
    cell = label[search] * shares.shape[1] + prediction.argmax(1)
    wrong = label[search] != prediction.argmax(1)
    names, counts = np.unique(cell[wrong], return_counts=True)
    largest = names[np.argsort(-counts)][:components]
    start = generator.dirichlet(np.ones(components), len(fitted))
    for code, name in enumerate(largest):
        start[cell == name, code] += 1
    belongs = start / start.sum(1, keepdims=True)
    log_all = np.zeros((len(z), components))
    for _ in range(rounds):
        size = belongs.sum(0) + 1e-9
        mean = belongs.T @ fitted / size[:, None]
        variance = belongs.T @ fitted**2 / size[:, None] - mean**2 + 1e-6
        of_label = belongs.T @ truth[search] / size[:, None] + 1e-9
        of_shares = belongs.T @ prediction / size[:, None] + 1e-9
        log_all = (
            np.log(size / size.sum())
            - 0.5 * (np.log(variance).sum(1) + (mean**2 / variance).sum(1))
            - 0.5 * (z**2 @ (1 / variance).T - 2 * z @ (mean / variance).T)
            + weight * (truth @ np.log(of_label).T + shares @ np.log(of_shares).T)
        )
        before = belongs
        belongs = np.exp(log_all[search] - logsumexp(log_all[search], axis=1, keepdims=True))
        if float(np.abs(belongs - before).max()) < 1e-3:
            break
    distance = 1 - (of_label * of_shares).sum(1)
    worst = np.argsort(-distance)[:slices]
    member = np.exp(log_all - logsumexp(log_all, axis=1, keepdims=True))
    others = np.flatnonzero(~search)
    return [others[np.argsort(-member[others, code], kind="stable")] for code in worst]


def below_threshold(failure: Mask, inside: Mask, gap: float = 0.05) -> bool:
    """A plain rule: is the accuracy of a group lower than that of all samples by more than a gap?"""
    return bool(failure[inside].mean() - failure.mean() > gap)


def spurious_score(numbers: Floats, label: Integers, *, by_index: bool) -> float:
    """How little a property says of the label; under 0.3 it is reported.

    Args:
        numbers: (n,) of the training images.
        label: (n,) indices.
        by_index: whether the majority class's *index* stands where its count belongs, as in the
            library this score comes from.

    Reference:
        cleanlab, ``Datalab``, issue type ``spurious_correlations``: cross-validated accuracy of
        Gaussian naive Bayes against that of the majority class.
    """
    counts = np.bincount(label)
    base = (int(counts.argmax()) if by_index else int(counts.max())) / len(label)
    accuracy = float(cross_val_score(GaussianNB(), numbers[:, None], label, cv=5).mean())
    return min(1.0, (1 - accuracy) / max(1 - base, 1e-9))
