"""Tests of what operators see and do, of a whole site."""
