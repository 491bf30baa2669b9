"""Estimates with their uncertainty: arrays in, frozen results out; undefined is None with a reason."""

from __future__ import annotations

from .attempts import RateAtK, SuccessAtK, rate_at_k, success_at_k
from .bootstrap import cluster_bootstrap, cluster_bootstrap_ratio, cluster_bootstrap_ratios, seeded
from .bounds import bound_without_events, lower_bound, upper_bound
from .estimate import Estimate, Weight, undefined
from .groups import fisher_p, homogeneity_p, weighted_mean
from .multiple import benjamini_hochberg, holm
from .paired import Discordance, difference_p_value, discordance, paired_difference
from .power import smallest_detectable
from .rates import clean_cases_needed, clopper_pearson, clustered_rate, wilson, zero_event_bound
from .severity import ExpectedShortfall, SeverityDistribution, expected_shortfall, severity_distribution
from .unseen import accumulation, chao1, unseen_mass

__all__ = [
    "Discordance",
    "Estimate",
    "ExpectedShortfall",
    "RateAtK",
    "SeverityDistribution",
    "SuccessAtK",
    "Weight",
    "accumulation",
    "benjamini_hochberg",
    "bound_without_events",
    "chao1",
    "clean_cases_needed",
    "clopper_pearson",
    "cluster_bootstrap",
    "cluster_bootstrap_ratio",
    "cluster_bootstrap_ratios",
    "clustered_rate",
    "difference_p_value",
    "discordance",
    "expected_shortfall",
    "fisher_p",
    "holm",
    "homogeneity_p",
    "lower_bound",
    "paired_difference",
    "rate_at_k",
    "seeded",
    "severity_distribution",
    "smallest_detectable",
    "success_at_k",
    "undefined",
    "unseen_mass",
    "upper_bound",
    "weighted_mean",
    "wilson",
    "zero_event_bound",
]
