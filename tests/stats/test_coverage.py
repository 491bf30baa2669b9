"""Simulated coverage of the intervals: how often a planted truth lies inside."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import betaln, ndtri

from redloom.stats import cluster_bootstrap_ratio, clustered_rate, paired_difference, rate_at_k

pytestmark = pytest.mark.slow

# four standard errors of a simulated coverage near .95 are .0195 at 2,000 runs
RUNS = 2000


def inside(estimate, truth):
    return estimate.low is not None and estimate.low <= truth <= estimate.high


def chances(generator, rate, correlation, clusters):
    scale = (1 - correlation) / correlation
    return generator.beta(rate * scale, (1 - rate) * scale, size=clusters)


@pytest.mark.parametrize("clusters", [24, 50, 200])
@pytest.mark.parametrize("rate", [0.1, 0.5])
@pytest.mark.parametrize("correlation", [0.05, 0.2])
def test_a_clustered_rate_covers(clusters, rate, correlation):
    generator = np.random.default_rng([clusters, int(100 * rate), int(100 * correlation)])
    groups, hits = np.repeat(np.arange(clusters), 10), 0
    for _ in range(RUNS):
        drawn = generator.random((clusters, 10)) < chances(generator, rate, correlation, clusters)[:, None]
        hits += inside(clustered_rate(drawn.ravel(), groups), rate)
    assert hits / RUNS == pytest.approx(0.95, abs=0.025)


def test_rare_events_in_few_correlated_clusters_are_the_known_weak_spot():
    generator = np.random.default_rng(9)
    groups, hits = np.repeat(np.arange(24), 20), 0
    for _ in range(RUNS):
        drawn = generator.random((24, 20)) < chances(generator, 0.02, 0.3, 24)[:, None]
        hits += inside(clustered_rate(drawn.ravel(), groups), 0.02)
    assert 0.83 < hits / RUNS < 0.90


@pytest.mark.parametrize("clusters", [24, 50, 200])
@pytest.mark.parametrize("k", [1, 5, 10])
def test_a_rate_at_k_covers(clusters, k):
    generator = np.random.default_rng([clusters, k])
    truth = 1 - np.exp(betaln(0.5, 5 + k) - betaln(0.5, 5))
    groups, cases, hits = np.repeat(np.arange(clusters), 4), 4 * clusters, 0
    for _ in range(RUNS):
        shared = np.repeat(generator.beta(0.5, 5, clusters), 4)
        own = np.where(generator.random(cases) < 0.5, shared, generator.beta(0.5, 5, cases))
        found = rate_at_k(generator.binomial(10, own), np.full(cases, 10), groups, k=k)
        hits += inside(found.estimate, truth)
    assert hits / RUNS == pytest.approx(0.955, abs=0.025)


@pytest.mark.parametrize("clusters", [24, 50, 200])
@pytest.mark.parametrize("rates", [(0.5, 0.3), (0.1, 0.05)])
def test_a_paired_difference_covers(clusters, rates):
    generator = np.random.default_rng([clusters, int(100 * rates[0])])
    cuts, groups, hits = ndtri(rates), np.repeat(np.arange(clusters), 8), 0
    for _ in range(RUNS):
        places = generator.standard_normal((2, clusters, 1))
        cases = generator.standard_normal((clusters, 8))
        noise = generator.standard_normal((2, clusters, 8))
        mixed = np.sqrt([0.2, 0.4, 0.4])
        first = mixed[0] * places[0] + mixed[1] * cases + mixed[2] * noise[0]
        second = mixed[0] * places.sum(axis=0) / np.sqrt(2) + mixed[1] * cases + mixed[2] * noise[1]
        found = paired_difference((first < cuts[0]).ravel(), (second < cuts[1]).ravel(), groups)
        hits += inside(found, rates[0] - rates[1])
    assert hits / RUNS == pytest.approx(0.95, abs=0.025)


@pytest.mark.parametrize(
    ("clusters", "low", "high"), [(24, 0.88, 0.95), (50, 0.90, 0.965), (200, 0.925, 0.97)]
)
def test_the_percentile_bootstrap_covers_less_with_few_clusters(clusters, low, high):
    generator = np.random.default_rng(clusters)
    hits, runs = 0, 1000
    for _ in range(runs):
        over = generator.binomial(10, chances(generator, 0.1, 0.1, clusters))
        found = cluster_bootstrap_ratio(over, np.full(clusters, 10), resamples=1000, generator=generator)
        hits += inside(found, 0.1)
    assert low < hits / runs < high


def test_a_large_bootstrap_is_quick_and_right():
    generator = np.random.default_rng(1)
    over = generator.binomial(20, 0.1, 5000)
    found = cluster_bootstrap_ratio(over, np.full(5000, 20), resamples=10_000, generator=generator)
    error = over.std() / 20 / np.sqrt(5000)
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.05)
