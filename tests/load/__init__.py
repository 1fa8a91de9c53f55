"""Tests under load: long queues, floods, and hooks that overtake each other."""
