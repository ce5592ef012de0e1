"""What serves a published model."""
