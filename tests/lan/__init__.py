"""Whole sidecars on several hosts, which are network namespaces."""
