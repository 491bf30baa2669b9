"""Handlers by the noun they are about."""
