"""A Django site as people write them: pages of many kinds, the admin, static files; no page knows of the cache."""
