"""A WhatsApp server that can be run, broken and scripted; it imports nothing of the product."""
