"""What the simulator's tests share."""

import warnings

with warnings.catch_warnings():
    # The client library asks `uname` through a pipe that it does not close.
    warnings.simplefilter("ignore", ResourceWarning)
    import neonize  # noqa: F401
