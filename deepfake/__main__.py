"""``python -m deepfake``."""

import sys

from deepfake.cli import main

sys.exit(main())
