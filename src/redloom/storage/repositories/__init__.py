"""One small class for each aggregate; each speaks through one connection."""
