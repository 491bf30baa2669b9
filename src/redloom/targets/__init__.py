"""The only place that speaks to models and target systems."""
