"""known-divergences.tsv: which cases go otherwise, why, and what is seen then."""

import os
from collections import namedtuple
from fnmatch import fnmatchcase

Known = namedtuple("Known", "reason seen link")


class KnownDivergences:
    """The lines of one script. Every line must be met, and nothing else may go otherwise."""

    def __init__(self, script):
        path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "known-divergences.tsv")
        with open(path, encoding="utf-8") as file:
            rows = [line.rstrip("\n").split("\t") for line in file if not line.startswith("#")]
        self.lines = {label: Known(*rest) for name, label, *rest in rows if name == script}
        self.met, self.count = set(), 0

    def of(self, label):
        """The pattern that names the case, or nothing."""
        return next((pattern for pattern in self.lines if fnmatchcase(label, pattern)), None)

    def check(self, label, seen):
        """What a case that went otherwise says: whether it is known, and a line for people."""
        known = self.lines.get(self.of(label))
        if known is None:
            return False, f"FAILED {label}\n{seen}"
        if known.seen not in seen:
            return False, f"FAILED {label}\nknown for {known.seen!r}, but this is seen: {seen}"
        self.met.add(self.of(label))
        self.count += 1
        return True, f"known  {label} [{known.seen}; {known.reason}]"

    def stale(self):
        return sorted(self.lines.keys() - self.met)
