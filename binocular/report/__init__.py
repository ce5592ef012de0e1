"""What the pages that people read have in common: one look, words, pictures inside, charts as values."""
