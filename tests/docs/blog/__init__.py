"""A small Django app that does what makes sites hard to cache: forms, messages, users, languages, links to itself."""
