"""The pipeline: the steps of `components/` as one graph, and the package it compiles to."""
