"""Rubrics put to people, models and rules; their answers read back as judgements."""
