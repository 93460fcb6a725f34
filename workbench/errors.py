"""The one exception a user is meant to read."""


class Problem(Exception):
    """Something the user can mend.

    The message is one or two whole sentences: what was wrong, where, and what to do.
    The command line prints it and exits with 2; a page shows it in place; an API returns it.
    """
