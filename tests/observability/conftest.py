"""The figures of a bridge come with its client library, which the bridge's tests import first."""

import tests.bridge.conftest  # noqa: F401
