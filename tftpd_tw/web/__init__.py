"""The HTTP port: what machines scrape and people look at."""
