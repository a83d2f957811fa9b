"""The unfinished recipe: kept, shared between terminals, opened anew."""
