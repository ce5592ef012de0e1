"""Ingest: whatever a person calls their photos becomes a frozen snapshot with a digest."""
