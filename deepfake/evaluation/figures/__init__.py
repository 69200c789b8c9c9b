"""Figures of an evaluation.

A curve's figure takes any number of detectors by name; of a single one it shows further thresholds too.
Where images stand behind a point, its last custom datum is the word of its mark (``marks.Mark``) or the cell
of the confusion matrix; ``with_mark`` draws the chosen one.
"""
