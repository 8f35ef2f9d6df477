"""``python -m dagtrace.cli``."""

import sys

from dagtrace.cli import main


sys.exit(main())
