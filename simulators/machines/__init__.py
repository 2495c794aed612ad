"""The kinds of machines of the reference line, each a seeded pure function of time."""
