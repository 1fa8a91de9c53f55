"""Randomized, seeded and replayable runs of the real product under faults, and their checker."""
