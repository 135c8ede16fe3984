"""HTTP messages as the cache reads them: text to values, requests, responses. Pure: no clock, no loop, no log."""
