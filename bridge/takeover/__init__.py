"""What an older bridge has stored becomes ours, once, by a verb of its own: docs/adoption.md."""
