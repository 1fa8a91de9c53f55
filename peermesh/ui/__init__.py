"""The panel: what the door tells, drawn in a terminal by Textual."""
