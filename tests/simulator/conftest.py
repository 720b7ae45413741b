"""What the simulator's tests share."""

import subprocess
import warnings

with warnings.catch_warnings():
    # The client library asks `uname` through a pipe that it does not close; the pipe is dropped
    # when the next process is started.
    warnings.simplefilter("ignore", ResourceWarning)
    import neonize  # noqa: F401

    subprocess.run(["true"], check=True)
