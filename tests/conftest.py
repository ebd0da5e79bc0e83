"""What all tests share: how hypothesis draws its examples."""

import os

from hypothesis import settings

# A build says the same of the same commit on every run; on a desk the examples differ from run to run, and find what nobody thought of.
settings.register_profile("build", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("build")
