"""Is there a phase transition in a training curve, where, how sharp, and how sure?

A curve is explained in two ways: by a sharp shape (a hinge, two hinges, a sigmoid whose rise takes a small part of the
run) and by a smooth one (constant, line, parabola, cubic, exponential, a sigmoid whose rise takes most of the run). The
difference of their BIC decides: "turn" if the best sharp shape is clearly better, "none" if it is hardly better or
worse, else "undecided". So a ramp is no turn however well a hinge fits it: something smooth fits it too.

What makes it hold on real curves:
- every shape is a polynomial plus one curve out of a table, so that a fit is a projection and the whole table is
  tried: no starting values, no local minima, some 30 ms;
- the noise of neighbouring steps may be correlated: the likelihood is that of an AR(1) process, and each shape takes
  the correlation that suits it best, so that the wanderings of a plateau are a constant with correlated noise;
- no shape is exact: a misfit of `fit.FLOOR` of the curve's range is no evidence against it;
- outliers are replaced by the median of their neighbours, long runs averaged down to `fit.MAX_BINS` points.

The step of a transition is the middle of the rise (sigmoid; two hinges near each other), or the corner where the change
sets in (hinge; two hinges far apart). Its width is the number of steps from 10 to 90 % of the change: of the value for
a rise, of the slope for a corner. Times are shares of the run inside this package, steps outside. Pure numpy.

    transition  the decision about one series, afterwards and while the run is going on
    run         the decision about a run, from several of its series
    online      the same while it is going on, step by step
    shapes      the curves that are tried
    fit         how well they explain a series; how a series is made fit to be explained

`benchmarks/dynamics.py` measures how often all this is right.
"""

from tina.dynamics.online import TurnWatch, watched
from tina.dynamics.run import METRICS, RunDynamics, describe_run, series_of
from tina.dynamics.transition import OnlineDecision, Transition, decide_online, find_transition

__all__ = [
    "METRICS",
    "OnlineDecision",
    "RunDynamics",
    "Transition",
    "TurnWatch",
    "decide_online",
    "describe_run",
    "find_transition",
    "series_of",
    "watched",
]
