"""Jobs: a supervisor and the command in the foreground, without sidecars."""
