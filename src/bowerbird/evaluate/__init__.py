"""Measures, benchmarks and experiments over rankings."""
