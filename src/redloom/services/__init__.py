"""One function for each thing a user can do; each owns its transaction."""
