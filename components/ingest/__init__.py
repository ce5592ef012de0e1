"""Ingest: from whatever names a set of labelled photos to a frozen snapshot of it."""
