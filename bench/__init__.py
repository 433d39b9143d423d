"""Measurements: every figure is a ratio of two things done in the same run."""
