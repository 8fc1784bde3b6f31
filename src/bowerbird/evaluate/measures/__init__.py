"""Measures: what a ranking or an answer is worth. `registry.py` names them all; each is a function of its own."""
