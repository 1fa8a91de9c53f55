"""Tests of the wire and the links."""
