"""Real software from PyPI, bare and behind the cache: what differs for whom, and what is kept."""
