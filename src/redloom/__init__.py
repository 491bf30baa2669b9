"""Redloom: define harm in context, create documented cases, judge whole interactions."""
