"""The judgement of peer, without I/O: no clock, socket, file, randomness or logging in here."""
