"""Tell photographs of real faces from deepfakes.

The package draws nothing and knows no web framework: use it from a notebook, the command line
(``python -m deepfake``) or the pages. The positive class is Fake everywhere: ``p_fake`` near 1
means fake.
"""

import os

from deepfake.util.tensorflow import keep_tensorflow_quiet

# TensorFlow leaves oneDNN off where a processor lacks AVX512-VNNI, though AVX2 gains by it too. Here,
# because it must stand before TensorFlow is imported, whichever module does that.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
keep_tensorflow_quiet()

__version__ = "0.1.0"
