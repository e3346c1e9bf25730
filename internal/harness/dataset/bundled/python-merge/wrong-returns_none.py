def merge(intervals):
    intervals.sort()
