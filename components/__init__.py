"""The pipeline's steps, a folder each: the KFP contract in `component.py`, the work in functions beside it.

A step imports `binocular` and never another step.
"""
