"""What a training says: events, progress, and the sentence that ends it."""
