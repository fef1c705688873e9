BOOLEANS: frozenset[object]
