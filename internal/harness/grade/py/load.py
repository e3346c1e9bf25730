import os, sys


def _load():
    def take(n):
        parts = []
        while n:
            part = os.read(0, n)
            if not part:
                sys.exit("cupel grader: no source")
            parts.append(part)
            n -= len(part)
        return b"".join(parts)
    exec(compile(take(int.from_bytes(take(4), "big")), "<grader>", "exec"), {"__name__": "_cupel_grader", "__builtins__": __builtins__})


_load()
