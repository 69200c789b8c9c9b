"""The one exception family whose messages are meant for the person at the keyboard."""


class UserError(Exception):
    """Something the user can act on.

    The message says what is wrong, what was received, what is expected and what to do; pages, the
    command line and HTTP show it as it stands.

    Args:
        code: short stable identifier in snake_case, e.g. ``"truncated"``. Programs match on it.
        message: one to three sentences for a person.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class EvaluationError(UserError):
    """Labels, scores or settings that cannot be evaluated.

    Codes: ``empty``, ``bad_shape``, ``length_mismatch``, ``bad_labels``, ``bad_scores``, ``one_class``,
    ``bad_setting``, and for score tables ``not_found``, ``unreadable``, ``missing_columns``, ``bad_ids``,
    ``duplicate_ids``.
    """
