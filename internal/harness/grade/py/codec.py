# The codec: Python values as tagged, length-prefixed bytes and back.
#
# It runs on both sides. The answer's side encodes whatever the answer
# returned; the grader's side decodes bytes that a hostile program may have
# written. So decoding builds plain values of the grader's own types and
# nothing else: no pickle, no eval, no import by a name that came in, and every
# length is checked against what is left.
#
#   N T F E       None, True, False, Ellipsis
#   i             int, hex digits               f  float, float.hex()
#   u             str, UTF-8 (surrogatepass)    b B  bytes, bytearray
#   l t s z       list, tuple, set, frozenset   d  dict: count pairs
#   @             back reference: index of a container finished earlier
#   = o           the answer of call J; the answer's own object H, type name
#   x             named: name, tuple of arguments (see _NAMED)
#
# A tag that carries a length or a count is followed by it as four bytes, most
# significant first. Containers are numbered in the order they are finished, so
# shared ones stay shared and a cycle, which never finishes, can't be written:
# the inner reference to itself goes out as an opaque object.

MAX_DEPTH = 150


class CodecError(Exception):
    pass


class TooLarge(CodecError):
    pass


def _n(n):
    return n.to_bytes(4, "big")


class Encoder:
    """Writes one value. `opaque(x)` names what is not plain data.

    It answers the bytes to write, or raises CodecError. No operator of a
    subclass is called: values decay by their base's own machinery.
    """

    def __init__(self, opaque, limit, ref=None):
        self.out = []
        self.left = limit
        self.memo = {}
        self.keep = []
        self.finished = 0
        self.depth = 0
        self.opaque = opaque
        self.ref = ref

    def bytes(self):
        return b"".join(self.out)

    def emit(self, chunk):
        self.left -= len(chunk)
        if self.left < 0:
            raise TooLarge("answer too large")
        self.out.append(chunk)

    def put(self, x):
        if self.ref is not None:
            known = self.ref(x)
            if known is not None:
                self.emit(known)
                return
        kind = type(x)
        write = _WRITERS.get(kind)
        if write is None:
            write = _writer_of(kind, x)
            if write is None:
                self.emit(self.opaque(x))
                return
        write(self, x)

    def sized(self, tag, data):
        self.emit(tag + _n(len(data)) + data)

    def integer(self, x):
        self.sized(b"i", b"%x" % int.__add__(x, 0))

    def real(self, x):
        self.sized(b"f", float.hex(x).encode())

    def text(self, x):
        self.sized(b"u", str.encode(x, "utf-8", "surrogatepass"))

    def items(self, x, tag, items):
        """A container: a back reference when it was written before."""
        known = self.memo.get(id(x))
        if known is not None or self.depth >= MAX_DEPTH:
            if known is None or known < 0:
                self.emit(self.opaque(x))
            else:
                self.emit(b"@" + _n(known))
            return
        self.memo[id(x)] = -1
        self.keep.append(x)
        self.depth += 1
        flat = list(items(x))
        self.emit(tag + _n(len(flat)))
        if tag == b"d":
            for key, value in flat:
                self.put(key)
                self.put(value)
        else:
            for item in flat:
                self.put(item)
        self.depth -= 1
        self.memo[id(x)] = self.finished
        self.finished += 1

    def named(self, name, *args):
        self.sized(b"x", name)
        self.emit(b"t" + _n(len(args)))
        for arg in args:
            self.put(arg)
        self.finished += 1


_WRITERS = {
    type(None): lambda e, x: e.emit(b"N"),
    bool: lambda e, x: e.emit(b"T" if x else b"F"),
    type(...): lambda e, x: e.emit(b"E"),
    int: Encoder.integer,
    float: Encoder.real,
    complex: lambda e, x: e.named(b"complex", complex.__add__(x, 0j).real, complex.__add__(x, 0j).imag),
    str: Encoder.text,
    bytes: lambda e, x: e.sized(b"b", bytes.__getitem__(x, slice(None))),
    bytearray: lambda e, x: e.sized(b"B", bytes(bytearray.copy(x))),
    list: lambda e, x: e.items(x, b"l", list.__iter__),
    tuple: lambda e, x: e.items(x, b"t", tuple.__iter__),
    set: lambda e, x: e.items(x, b"s", set.__iter__),
    frozenset: lambda e, x: e.items(x, b"z", frozenset.__iter__),
    dict: lambda e, x: e.items(x, b"d", dict.items),
    range: lambda e, x: e.named(b"range", x.start, x.stop, x.step),
    slice: lambda e, x: e.named(b"slice", x.start, x.stop, x.step),
    type({}.keys()): lambda e, x: e.named(b"dict_keys", list(x)),
    type({}.values()): lambda e, x: e.named(b"dict_values", list(x)),
    type({}.items()): lambda e, x: e.named(b"dict_items", list(x)),
}
# What an object of a subclass decays to; bool, None and the like have none.
_BASES = (int, float, complex, str, bytes, bytearray, list, tuple, set, frozenset, dict)


def _zone(x):
    """A time's fixed offset; one that the zone works out by itself is lost."""
    zone = x.tzinfo
    return None if zone is None else x.utcoffset()


def _write_ordered(e, x):
    import collections
    e.items(x, b"d", collections.OrderedDict.items)


def _write_array(e, x):
    if x.dtype.hasobject or x.dtype.fields:
        e.emit(e.opaque(x))
    else:
        e.named(b"numpy.ndarray", x.dtype.str, x.shape, x.tobytes())


def _write_scalar(e, x):
    if x.dtype.kind in "biufcSUmM":
        e.named(b"numpy.scalar", x.dtype.str, x.tobytes())
    else:
        e.emit(e.opaque(x))


# Library types by the name of the class that defines them. They are looked up
# by the type's own module and name, and then checked to be the real one.
_LIBRARY = {
    ("collections", "OrderedDict"): _write_ordered,
    ("collections", "deque"): lambda e, x: e.named(b"deque", list(x), x.maxlen),
    ("decimal", "Decimal"): lambda e, x: e.named(b"Decimal", str(x)),
    ("fractions", "Fraction"): lambda e, x: e.named(b"Fraction", x.numerator, x.denominator),
    ("datetime", "date"): lambda e, x: e.named(b"date", x.year, x.month, x.day),
    ("datetime", "datetime"): lambda e, x: e.named(
        b"datetime", x.year, x.month, x.day, x.hour, x.minute, x.second, x.microsecond, _zone(x)),
    ("datetime", "time"): lambda e, x: e.named(b"time", x.hour, x.minute, x.second, x.microsecond, _zone(x)),
    ("datetime", "timedelta"): lambda e, x: e.named(b"timedelta", x.days, x.seconds, x.microseconds),
    ("numpy", "ndarray"): _write_array,
    ("numpy", "generic"): _write_scalar,
}


def _writer_of(kind, x):
    """The writer for a type that is not in _WRITERS, or None: opaque."""
    import sys
    for base in type.__dict__["__mro__"].__get__(kind):
        module = type.__dict__["__module__"].__get__(base)
        name = type.__dict__["__name__"].__get__(base)
        if type(module) is str:
            write = _LIBRARY.get((module, name))
            if write is not None and getattr(sys.modules.get(module), name, None) is base:
                return write
        if base in _BASES:
            return _WRITERS[base]
    if kind is type and x.__module__ == "builtins":
        return lambda e, x: e.named(b"type", x.__name__)
    return None


class Decoder:
    """Reads one value. `special(tag, number, name)` makes what = and o mean."""

    def __init__(self, data, special, at=0):
        self.data = data
        self.at = at
        self.memo = []
        self.special = special

    def take(self, n):
        end = self.at + n
        if end > len(self.data):
            raise CodecError("short value")
        chunk = self.data[self.at:end]
        self.at = end
        return chunk

    def number(self):
        return int.from_bytes(self.take(4), "big")

    def sized(self):
        return self.take(self.number())

    def value(self, depth=0):
        if depth > MAX_DEPTH + 10:
            raise CodecError("nested too deeply")
        tag = self.take(1)
        if tag in _ATOMS:
            return _ATOMS[tag]
        if tag in b"ltszd":
            return self.container(tag, depth + 1)
        read = _READERS.get(tag)
        if read is None:
            raise CodecError("unknown tag")
        return read(self, depth)

    def container(self, tag, depth):
        count = self.number()
        if count > len(self.data) - self.at:
            raise CodecError("short container")
        if tag == b"d":
            made = {}
            for _ in range(count):
                key = self.value(depth)
                made[key] = self.value(depth)
        else:
            made = [self.value(depth) for _ in range(count)]
            if tag != b"l":
                made = _CONTAINERS[tag](made)
        self.memo.append(made)
        return made

    def back(self, depth):
        number = self.number()
        if number >= len(self.memo):
            raise CodecError("unknown back reference")
        return self.memo[number]

    def named(self, depth):
        name = self.sized()
        args = self.value(depth + 1)
        make = _NAMED.get(name)
        if make is None or type(args) is not tuple:
            raise CodecError("unknown name")
        return make(*args)


_ATOMS = {b"N": None, b"T": True, b"F": False, b"E": ...}
_CONTAINERS = {b"t": tuple, b"s": set, b"z": frozenset}
_READERS = {
    b"i": lambda d, depth: int(_digits(d.sized()), 16),
    b"f": lambda d, depth: float.fromhex(d.sized().decode()),
    b"u": lambda d, depth: d.sized().decode("utf-8", "surrogatepass"),
    b"b": lambda d, depth: bytes(d.sized()),
    b"B": lambda d, depth: bytearray(d.sized()),
    b"@": Decoder.back,
    b"=": lambda d, depth: d.special(b"=", d.number(), ""),
    b"o": lambda d, depth: d.special(b"o", d.number(), d.sized().decode("utf-8", "replace")),
    b"x": Decoder.named,
}


def _digits(text):
    """Hex digits as %x writes them: int() alone would take blanks and _."""
    if not text.lstrip(b"-").isalnum():
        raise CodecError("bad int")
    return text


def _exact(kind, x):
    if type(x) is not kind:
        raise CodecError("bad argument")
    return x


def _decimal(text):
    import decimal
    return decimal.Decimal(_exact(str, text))


def _fraction(n, d):
    import fractions
    return fractions.Fraction(_exact(int, n), _exact(int, d))


def _deque(items, maxlen):
    import collections
    return collections.deque(_exact(list, items), maxlen)


def _date(kind, *args):
    import datetime
    if kind == "timedelta":
        return datetime.timedelta(*args)
    if kind == "date":
        return datetime.date(*args)
    zone = args[-1]
    if zone is not None:
        zone = datetime.timezone(zone)
    return getattr(datetime, kind)(*args[:-1], tzinfo=zone)


def _numpy(name, dtype, data, shape=()):
    try:
        import numpy
    except ImportError:
        raise CodecError("the grader has no numpy")
    kind = numpy.dtype(_exact(str, dtype))
    if kind.hasobject:
        raise CodecError("bad argument")
    made = numpy.frombuffer(_exact(bytes, data), dtype=kind).reshape(_exact(tuple, shape))
    return made.copy() if name == "ndarray" else made[()]


def _builtin_type(name):
    import builtins
    made = getattr(builtins, _exact(str, name), None)
    if type(made) is not type:
        raise CodecError("bad argument")
    return made


_NAMED = {
    b"complex": lambda re, im: complex(_exact(float, re), _exact(float, im)),
    b"range": lambda *args: range(*args),
    b"slice": lambda *args: slice(*args),
    b"dict_keys": lambda items: dict.fromkeys(_exact(list, items)).keys(),
    b"dict_values": lambda items: dict(enumerate(_exact(list, items))).values(),
    b"dict_items": lambda items: dict(_exact(list, items)).items(),
    b"deque": _deque,
    b"Decimal": _decimal,
    b"Fraction": _fraction,
    b"date": lambda *args: _date("date", *args),
    b"datetime": lambda *args: _date("datetime", *args),
    b"time": lambda *args: _date("time", *args),
    b"timedelta": lambda *args: _date("timedelta", *args),
    b"numpy.ndarray": lambda dtype, shape, data: _numpy("ndarray", dtype, data, shape),
    b"numpy.scalar": lambda dtype, data: _numpy("scalar", dtype, data),
    b"type": _builtin_type,
}


def decode(data, special):
    """The one value that data holds. Raises CodecError, whatever data is."""
    reader = Decoder(data, special)
    try:
        made = reader.value()
    except CodecError:
        raise
    except Exception as e:
        raise CodecError("malformed value: %s" % type(e).__name__)
    if reader.at != len(data):
        raise CodecError("trailing bytes")
    return made
