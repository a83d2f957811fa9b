"""Pictures and captions on disk, as the trainer will see them."""
