"""Contact sheets: where pictures and labels lie, and the PNG. For `lora try` and for a run's samples."""
