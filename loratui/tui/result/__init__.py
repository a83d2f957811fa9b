"""What a run made: its files, how good they are, what to do with them."""
