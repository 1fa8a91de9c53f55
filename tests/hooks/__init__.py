"""Tests of the hooks' first step and the plugin."""
