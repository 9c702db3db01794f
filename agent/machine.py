"""The machine that is looked at: where its files are read, and what was read already."""

from agent.files import names, read


class Machine:
    """What the probes of one run share: where the tree starts, and answers that are needed more than once."""

    def __init__(self, root=None, measure=False, note=None, record=None):
        self.root = root
        self.record = record
        self.measure = measure
        self.note = note or (lambda _: None)
        self.kept = {}

    def once(self, key, get):
        """Return ``get()``, asked only the first time for this ``key``."""
        if key not in self.kept:
            self.kept[key] = get()
        return self.kept[key]

    def text(self, path, limit=65536):
        """Return the text of a file below the root; see :func:`agent.files.read` for what it raises."""
        text = read(self.root, path, limit)
        self.keep(path, text)
        return text

    def keep(self, path, text):
        """Record the text of a file, when this machine is being recorded."""
        if self.record is not None:
            from agent.record import keep_file

            keep_file(self.record, path, text)

    def list(self, path):
        """Return the sorted names in a directory below the root, at most 4096."""
        found = names(self.root, path)
        if self.record is not None:
            from agent.record import keep_names

            keep_names(self.record, path, found)
        return found

    def line(self, path):
        """Return the stripped text of a small file, None when it cannot be read."""
        try:
            return self.text(path, 4096).strip()
        except OSError:
            return None

    def listed(self, path):
        """Return the sorted names in a directory, none when it cannot be listed."""
        try:
            return self.list(path)
        except OSError:
            return []
