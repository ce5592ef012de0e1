"""Evaluate: how good the candidate is next to the champion, and whether it may replace it, with reasons."""
