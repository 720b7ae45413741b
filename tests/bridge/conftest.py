"""What the bridge's tests share."""

import subprocess
import warnings

with warnings.catch_warnings():
    # The client library asks `uname` through pipes that it does not close; they are dropped when
    # the next process is started.
    warnings.simplefilter("ignore", ResourceWarning)
    import neonize  # noqa: F401

    subprocess.run(["true"], check=True)
