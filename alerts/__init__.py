"""Alerts: watches the stack, and tells people until somebody has said that they know."""
