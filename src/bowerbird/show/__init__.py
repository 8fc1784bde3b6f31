"""How results look to people: in a terminal, and as a page."""
