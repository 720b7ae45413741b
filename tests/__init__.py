"""A package, so that tests can import what several of them share."""
