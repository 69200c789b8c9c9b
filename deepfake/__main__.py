"""``python -m deepfake``."""

import sys

try:
    from deepfake.cli import main
except KeyboardInterrupt:  # as ``main`` says it
    print("Stopped.", file=sys.stderr)
    sys.exit(130)

sys.exit(main())
