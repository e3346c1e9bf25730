def merge(intervals):
    hoard = []
    while True:
        hoard.append(bytearray(1 << 24))
