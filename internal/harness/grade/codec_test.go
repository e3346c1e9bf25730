package grade

import (
	"os/exec"
	"strings"
	"testing"
)

// codecCheck runs on the Python side: round trips of every type, and a decoder
// that gets mutated bytes, which it may refuse but never choke on.
const codecCheck = `
import random, math, datetime, decimal, fractions, collections, enum, sys

def special(tag, number, name):
    if tag == b"o":
        return ("opaque", number, name)
    raise CodecError("no such call")

seen = []
def opaque(x):
    seen.append(x)
    return b"o" + _n(len(seen) - 1) + _n(1) + b"x"

def enc(x):
    e = Encoder(opaque, 1 << 24)
    e.put(x)
    return e.bytes()

def trip(x):
    return decode(enc(x), special)

class Int(int):
    def __eq__(self, o): return True
    def __index__(self): raise SystemExit
    __hash__ = int.__hash__
class List(list):
    def __iter__(self): return iter("lies")
    def __len__(self): return 9
class Str(str):
    def __str__(self): return "lie"
    def encode(self, *a): return b"lie"
class Dict(dict):
    def items(self): return [("lie", 1)]
class Float(float):
    def hex(self): return "0x0p0"
Point = collections.namedtuple("Point", "x y")
Color = enum.IntEnum("Color", "RED GREEN")
od = collections.OrderedDict([(1, 2), (3, 4)])
od.move_to_end(1)

same = [None, True, False, ..., 0, 1, -1, 10 ** 5000, -(1 << 64), 0.0, 1e308, 5e-324, float("inf"), 1 + 2j,
        "", "é\udcff\0", b"\0\xff", bytearray(b"x"), [], (), set(), frozenset(), {}, [1, [2, (3, {4})]],
        {"a": {1: (2,)}, None: []}, range(1, 10, 3), slice(1, None, 2), decimal.Decimal("1.10"),
        fractions.Fraction(1, 3), datetime.date(2020, 2, 29), datetime.datetime(2020, 1, 2, 3, 4, 5, 6),
        datetime.time(1, 2), datetime.timedelta(-1, 5), collections.deque([1, 2], 5), int, list,
        datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)]
for x in same:
    y = trip(x)
    assert type(y) is type(x) and y == x, (x, y)
assert math.isnan(trip(float("nan"))) and math.copysign(1, trip(-0.0)) == -1
for x, want in [(Int(5), 5), (List([1, 2]), [1, 2]), (Str("a"), "a"), (Dict(a=1), {"a": 1}), (Float(2.5), 2.5),
                (Point(1, 2), (1, 2)), (Color.GREEN, 2), (collections.Counter("aab"), {"a": 2, "b": 1}),
                (collections.defaultdict(list, a=[1]), {"a": [1]})]:
    y = trip(x)
    assert type(y) is type(want) and y == want, (x, y)
assert list(trip(od)) == [3, 1]
assert set(trip({1: 2}.keys())) == {1} and list(trip({1: 2}.values())) == [2] and set(trip({1: 2}.items())) == {(1, 2)}
shared = [1]
y = trip([shared, shared, (shared,)])
assert y[0] is y[1] and y[2][0] is y[0]
cycle = [1]
cycle.append(cycle)
assert trip(cycle)[1][0] == "opaque"
bomb = []
for _ in range(100):
    bomb = [bomb, bomb]
assert len(enc(bomb)) < 5000
deep = []
for _ in range(100000):
    deep = [deep]
trip(deep)
for x in (object(), lambda: 1, iter([]), (i for i in ()), type("T", (), {}), Point, sys):
    assert trip(x)[0] == "opaque", x
try:
    enc([0] * (1 << 24))
    raise SystemExit("a huge list was written")
except TooLarge:
    pass

rng = random.Random(7)
seeds = [enc(x) for x in same] + [enc(same), enc([shared, shared])]
for n in range(20000):
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.randint(1, 4)):
        what = rng.randint(0, 3)
        at = rng.randrange(len(data) + 1)
        if what == 0 and at < len(data):
            data[at] = rng.randrange(256)
        elif what == 1:
            del data[at:at + rng.randint(1, 5)]
        elif what == 2:
            data[at:at] = rng.choice(seeds)[:rng.randint(1, 20)]
        elif at < len(data):
            data[at:at + 1] = rng.choice([b"l", b"d", b"@", b"=", b"x", b"\xff"])
    try:
        decode(bytes(data), special)
    except CodecError:
        pass
for hostile in (b"", b"l\xff\xff\xff\xff", b"l\0\0\0\1" * 100000 + b"N", b"@\0\0\0\0", b"i\0\0\0\3 1_", b"x\0\0\0\4eval" + enc(("1",)),
                b"x\0\0\0\4type" + enc(("exec",)), b"x\0\0\0\4type" + enc(("Encoder",)), b"d\0\0\0\1" + enc([]) + b"N", b"NN"):
    try:
        decode(hostile, special)
        raise SystemExit("decoded %r" % hostile[:40])
    except CodecError:
        pass
print("done")
`

func TestCodec(t *testing.T) {
	for _, python := range []string{"python3", "python3.8", "python3.9", "python3.10", "python3.11", "python3.12", "python3.13"} {
		if exec.Command(python, "-c", "pass").Run() != nil {
			continue // a machine has one or two of them
		}
		t.Run(python, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), python, "-")
			cmd.Stdin = strings.NewReader(codecSource + "\n" + codecCheck)
			out, err := cmd.CombinedOutput()
			if err != nil || string(out) != "done\n" {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
