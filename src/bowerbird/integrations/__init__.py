"""Bowerbird inside other frameworks."""
