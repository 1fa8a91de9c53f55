"""Tests of the core: stories of one engine, and properties of several in a box."""
