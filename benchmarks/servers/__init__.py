"""The Python peers as servers: each file is run on its own, by the environment that the peers are installed in."""
