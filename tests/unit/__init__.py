"""Tests of the pure parts: text, names, options and the decisions of RFC 9111, without a loop or a clock."""
