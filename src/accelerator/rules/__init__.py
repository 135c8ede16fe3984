"""The decisions of RFC 9111, a module for each of its subjects. Pure functions: the current time is an argument."""
