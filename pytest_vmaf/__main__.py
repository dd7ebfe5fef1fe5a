"""``python -m pytest_vmaf`` is the ``pytest-vmaf`` command."""

import sys

from pytest_vmaf.cli.main import main

sys.exit(main())
