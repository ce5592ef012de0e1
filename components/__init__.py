"""The steps of the pipeline, one package a step. They share `binocular` and never import each other."""
