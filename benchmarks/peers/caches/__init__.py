"""The same page behind each cache, set up as its documentation recommends."""
