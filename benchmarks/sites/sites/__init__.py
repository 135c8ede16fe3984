"""The sites: what each is, how it is served, and who visits it. Nothing here needs the site's own software."""
