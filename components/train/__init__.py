"""The third step: a snapshot becomes a candidate, a classifier that has not yet been judged."""
