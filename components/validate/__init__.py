"""Validate: whether a snapshot is fit to train on, which of its images are left out, and why."""
