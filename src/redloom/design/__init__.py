"""From definitions to cases: covering arrays, coverage of the declared space, work orders, twins."""
