"""Files that outlive crashes: written whole or not at all, with checksums that are checked when they are read."""
