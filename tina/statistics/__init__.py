"""How sure is a number: intervals, paired tests, pass@k and maj@k, and what picking the best of many adds by itself.

A benchmark's scores are a matrix `correct` of shape [problems, samples] holding 0 and 1. Samples of one problem
resemble each other, so the unit that is counted is the problem: every interval here is clustered by problem.
An incomplete matrix (one problem with fewer samples than another) is refused, never filled.

    intervals   mean@n with its interval
    at_k        pass@k and maj@k
    compare     is A better than B, on the same problems; many such questions at once
    selection   seeds put together; what "the best of m checkpoints" is worth
"""

from tina.statistics.at_k import maj_at_k, pass_at_k
from tina.statistics.compare import (
    Difference,
    Homogeneity,
    McNemar,
    holm,
    homogeneity,
    mcnemar,
    paired_bootstrap,
    paired_difference,
)
from tina.statistics.intervals import (
    Estimate,
    bootstrap_interval,
    clustered_interval,
    clustered_standard_error,
    mean_interval,
    wilson_interval,
)
from tina.statistics.selection import (
    SeedsEstimate,
    SelectionBias,
    bootstrap_selection_bias,
    combine_seeds,
    expected_selection_bias,
)

__all__ = [
    "Difference",
    "Estimate",
    "Homogeneity",
    "McNemar",
    "SeedsEstimate",
    "SelectionBias",
    "bootstrap_interval",
    "bootstrap_selection_bias",
    "clustered_interval",
    "clustered_standard_error",
    "combine_seeds",
    "expected_selection_bias",
    "holm",
    "homogeneity",
    "maj_at_k",
    "mcnemar",
    "mean_interval",
    "paired_bootstrap",
    "paired_difference",
    "pass_at_k",
    "wilson_interval",
]
