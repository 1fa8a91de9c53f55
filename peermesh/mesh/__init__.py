"""The wire: frames, links, and the one file that imports zmq."""
