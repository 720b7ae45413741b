"""Which bridge do we trust now: decides it, moves the monitors there, and heals bridges."""
