"""The speed of the daemon beside that of its peers: `make bench`."""
