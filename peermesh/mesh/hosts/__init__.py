"""Links between machines: CURVE over TCP, bounded against strangers."""
