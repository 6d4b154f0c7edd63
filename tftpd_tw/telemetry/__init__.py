"""What happened, in figures and in words: counters, one log line a transfer, Prometheus families."""
