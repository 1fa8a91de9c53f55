"""Coverage-guided fuzzing of whatever reads what others wrote; docs/fuzzing.md says how to run it."""
