"""Simulated coverage of the intervals: how often a planted truth lies inside."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import betaln, ndtri

from redloom.stats import cluster_bootstrap_ratio, paired_difference, rate_at_k, severity_distribution

pytestmark = pytest.mark.slow

# four standard errors of a simulated coverage near .95 at 2,000 runs
RUNS, MARGIN = 2000, 0.0195


def inside(estimate, truth):
    return estimate.low is not None and estimate.low <= truth <= estimate.high


def chances(generator, rate, correlation, clusters):
    scale = (1 - correlation) / correlation
    return generator.beta(rate * scale, (1 - rate) * scale, size=clusters)


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
    assert hits / RUNS > 0.95 - MARGIN


@pytest.mark.parametrize("clusters", [24, 200])
@pytest.mark.parametrize("chances_of", [(0.05, 5), (0.02, 0.2)])
def test_a_rate_at_k_covers_where_few_cases_ever_succeed(clusters, chances_of):
    generator = np.random.default_rng([clusters, int(100 * chances_of[0])])
    groups, truth, hits = np.arange(clusters), chances_of[0] / sum(chances_of), 0
    for _ in range(RUNS):
        won = generator.binomial(10, generator.beta(*chances_of, clusters))
        hits += inside(rate_at_k(won, np.full(clusters, 10), groups, k=1).estimate, truth)
    assert hits / RUNS > 0.95 - MARGIN


@pytest.mark.parametrize("clusters", [10, 60])
def test_shares_of_clustered_severity_levels_cover(clusters):
    generator, hits = np.random.default_rng(clusters), np.zeros(3)
    groups, shares = np.repeat(np.arange(clusters), 8), np.array([0.5, 0.3, 0.2])
    for _ in range(RUNS):
        chances_of = generator.dirichlet(shares * (1 - 0.3) / 0.3, clusters)[groups]
        levels = (generator.random((groups.size, 1)) > np.cumsum(chances_of, axis=1)[:, :2]).sum(axis=1)
        found = severity_distribution(levels, groups, levels=[0, 1, 2])
        hits += [inside(share, truth) for share, truth in zip(found.shares, shares, strict=True)]
    assert (hits / RUNS > 0.95 - MARGIN).all()


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
    assert hits / RUNS > 0.95 - MARGIN


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
