"""The three errors of the house. They answer the caller's only question: fix the file, wait, or do not ask again."""


class SettingsError(Exception):
    """A settings file is wrong: fix it and start again.

    ``problems`` holds one sentence for each thing that is wrong, with file and key, so that a person can fix them all at once.
    """

    def __init__(self, problems: str | list[str]) -> None:
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems))


class Unavailable(Exception):
    """Something outside is away (a server, a broker, the database): wait and try again."""


class Rejected(Exception):
    """The other side, or a rule of ours, refused this for good: asking again will not help."""
