"""The simulator's modules are imported here as its own tests import them."""

import tests.simulator.conftest  # noqa: F401
