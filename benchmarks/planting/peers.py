"""Methods that the audit is compared with: Domino's mixture, group accuracy, cleanlab's score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from sklearn.decomposition import PCA
from sklearn.model_selection import cross_val_score
from sklearn.naive_bayes import GaussianNB

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

_SLICES = 5
_WEIGHT = 10.0
"""Weight of label and prediction."""
_ROUNDS = 100
"""Largest number of iterations."""


def domino(
    features: NDArray[np.float32],
    label: Integers,
    shares: NDArray[np.float32],
    search: Mask,
    *,
    components: int = 25,
    seed: int = 0,
) -> list[Integers]:
    """Domino's error-aware mixture.

    Each component is a Gaussian with diagonal covariance of the features, and categorical distributions
    of the label and of the predicted class; the latter two are weighted. The mixture is fitted on one
    half by expectation-maximisation, starting from the cells of the confusion matrix. The components
    with the largest difference of label and prediction are the slices.

    Args:
        features: (n, d) features of the samples.
        label: (n,) class indices.
        shares: (n, K) predicted probabilities.
        search: (n,) the samples to fit on; the others are ranked.
        components: number of components.
        seed: random seed.

    Returns:
        For each of five slices the positions of the other samples, the most typical first.

    Reference:
        S. Eyuboglu et al., "Domino: discovering systematic errors with cross-modal embeddings",
        ICLR 2022, section 4.2, equations 1 and 2; weight 10 and 25 components as there.
    """
    reduced = PCA(min(128, features.shape[1], int(search.sum())), random_state=seed)
    reduced.fit(features[search])
    samples = _Samples(
        features=reduced.transform(features),
        label=np.eye(shares.shape[1])[label],
        shares=shares.astype(np.float64),
    )
    fitted = samples.where(search)
    member = _initial_membership(fitted, components, seed)
    for _ in range(_ROUNDS):
        mixture = _Mixture.fitted(fitted, member)
        before, member = member, mixture.membership(fitted)
        if float(np.abs(member - before).max()) < 1e-3:
            break
    worst = np.argsort(-mixture.disagreement)[:_SLICES]
    others = np.flatnonzero(~search)
    of_others = mixture.membership(samples)[others]
    return [others[np.argsort(-of_others[:, code], kind="stable")] for code in worst]


@dataclass(frozen=True)
class _Samples:
    """What the mixture is fitted to.

    Attributes:
        features: (n, d) principal components.
        label: (n, K) one-hot labels.
        shares: (n, K) predicted probabilities.
    """

    features: Floats
    label: Floats
    shares: Floats

    def where(self, chosen: Mask) -> _Samples:
        return _Samples(self.features[chosen], self.label[chosen], self.shares[chosen])


def _initial_membership(samples: _Samples, components: int, seed: int) -> Floats:
    """Random memberships (n, components); those of the most frequent confusions have a component each."""
    generator = np.random.default_rng(seed)
    label, predicted = samples.label.argmax(1), samples.shares.argmax(1)
    cell = label * samples.shares.shape[1] + predicted
    names, counts = np.unique(cell[label != predicted], return_counts=True)
    largest = names[np.argsort(-counts)][:components]
    start = generator.dirichlet(np.ones(components), len(cell))
    for code, name in enumerate(largest):
        start[cell == name, code] += 1
    membership: Floats = start / start.sum(1, keepdims=True)
    return membership


@dataclass(frozen=True)
class _Mixture:
    """Parameters of the components.

    Attributes:
        share: (c,) shares of the components.
        mean: (c, d) means of the features.
        variance: (c, d) variances of the features.
        label: (c, K) distribution of the label.
        predicted: (c, K) distribution of the predicted class.
    """

    share: Floats
    mean: Floats
    variance: Floats
    label: Floats
    predicted: Floats

    @classmethod
    def fitted(cls, samples: _Samples, member: Floats) -> _Mixture:
        """The maximisation step, for memberships (n, c)."""
        size = member.sum(0) + 1e-9
        mean = member.T @ samples.features / size[:, None]
        return cls(
            share=size / size.sum(),
            mean=mean,
            variance=member.T @ samples.features**2 / size[:, None] - mean**2 + 1e-6,
            label=member.T @ samples.label / size[:, None] + 1e-9,
            predicted=member.T @ samples.shares / size[:, None] + 1e-9,
        )

    @property
    def disagreement(self) -> Floats:
        """Difference of label and prediction of each component, (c,)."""
        return np.asarray(1 - (self.label * self.predicted).sum(1), dtype=np.float64)

    def membership(self, samples: _Samples) -> Floats:
        """The expectation step: memberships (n, c)."""
        z, mean, variance = samples.features, self.mean, self.variance
        log_density = (
            np.log(self.share)
            - 0.5 * (np.log(variance).sum(1) + (mean**2 / variance).sum(1))
            - 0.5 * (z**2 @ (1 / variance).T - 2 * z @ (mean / variance).T)
            + _WEIGHT * (samples.label @ np.log(self.label).T)
            + _WEIGHT * (samples.shares @ np.log(self.predicted).T)
        )
        return np.asarray(
            np.exp(log_density - logsumexp(log_density, axis=1, keepdims=True)), dtype=np.float64
        )


def below_threshold(failure: Mask, inside: Mask, gap: float = 0.05) -> bool:
    """Simple rule: whether the accuracy of a group is lower than that of all samples by more than a gap."""
    return bool(failure[inside].mean() - failure.mean() > gap)


def spurious_score(numbers: Floats, label: Integers, *, by_index: bool) -> float:
    """Score of a property's independence of the label; it is reported below 0.3.

    Args:
        numbers: (n,) values of the property in the training images.
        label: (n,) class indices.
        by_index: whether to use the *index* of the majority class in place of its count, as the library
            does.

    Reference:
        cleanlab, ``Datalab``, issue type ``spurious_correlations``: cross-validated accuracy of
        Gaussian naive Bayes against that of the majority class.
    """
    counts = np.bincount(label)
    base = (int(counts.argmax()) if by_index else int(counts.max())) / len(label)
    accuracy = float(cross_val_score(GaussianNB(), numbers[:, None], label, cv=5).mean())
    return min(1.0, (1 - accuracy) / max(1 - base, 1e-9))
