"""What is on disk: a mailbox for each peer, one shared file for the host."""
