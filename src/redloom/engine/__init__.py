"""From a run's spec to conversations held: planning, whose turn it is, limits, execution."""
