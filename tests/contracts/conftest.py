"""Generated examples on machines that do other work at the same time."""

from hypothesis import HealthCheck, settings

# Each test has its time limit; an example that waited for the processor proves nothing.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")
