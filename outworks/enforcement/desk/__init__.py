"""The desk: cases, who has them, what is decided of them, and the index that shows it."""
