"""Tests of discovery: the record, the book of rumours, the voice, and real multicast DNS."""
