"""From captured messages to reviews: reads the messages.db of one bridge, whichever it is."""
