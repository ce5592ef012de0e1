"""The pipeline: the steps of `components/` as one graph, and the package it compiles to."""

from pathlib import Path

PACKAGE = Path(__file__).with_name("pipeline.yaml")
