"""Finding others on the network: the record, multicast DNS, and what strangers say, bounded."""
