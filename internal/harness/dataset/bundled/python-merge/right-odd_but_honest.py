import sys
import threading


class Span:
    def __init__(self, start, end):
        self.start, self.end = float(start), float(end)


def merge(intervals):
    print("merging", len(intervals), "intervals")
    print("a note on stderr", file=sys.stderr)
    merged = []

    def work():
        for span in sorted((Span(*i) for i in intervals), key=lambda s: (s.start, s.end)):
            if merged and span.start <= merged[-1].end:
                merged[-1].end = max(merged[-1].end, span.end)
            else:
                merged.append(span)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return [(span.start, span.end) for span in merged]


if __name__ == "__main__":
    raise SystemExit("an answer is not a program")
