"""The REST routes, a file per subject."""
