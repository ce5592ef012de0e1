"""Kubernetes manifests: a kustomize base, overlays and components, what they render to, how they are deployed."""
