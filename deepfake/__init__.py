"""Tell photographs of real faces from deepfakes.

The package draws nothing and knows no web framework: use it from a notebook, the command line
(``python -m deepfake``) or the pages. The positive class is Fake everywhere: ``p_fake`` near 1
means fake.
"""

__version__ = "0.1.0"
