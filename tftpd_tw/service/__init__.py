"""The daemon: its configuration and its tree of services."""
