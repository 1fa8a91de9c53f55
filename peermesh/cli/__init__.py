"""The command `peer`: thin verbs, each one question through the door."""
