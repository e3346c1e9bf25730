def merge(intervals):
    while True:
        print("x" * 65536)
