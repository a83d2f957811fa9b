"""Questions, and one page of answers, over one recipe."""
