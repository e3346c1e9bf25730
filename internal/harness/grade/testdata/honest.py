# Programs that are right in an odd way: each must pass.
#
# A block begins with "# === name". ENTRY is the function asked for; CANONICAL,
# alone on a line, is the dataset's own answer. "(crlf)": sent with CRLF line
# ends. "(only ID …)" and "(not ID …)" name the tasks that a block is for, or
# that call themselves in a way it can't bear.

# === canonical
CANONICAL

# === line ends (crlf)
CANONICAL

# === float for int: 2.0 is 2 (not 912)
CANONICAL
_right = ENTRY
def ENTRY(*a):
    x = _right(*a)
    return float(x) if type(x) is int else x

# === int for bool: 1 is True
CANONICAL
_right = ENTRY
def ENTRY(*a):
    x = _right(*a)
    return int(x) if type(x) is bool else x

# === fraction for number
import fractions
CANONICAL
_right = ENTRY
def ENTRY(*a):
    x = _right(*a)
    return fractions.Fraction(x) if type(x) is int else x

# === decimal for int
import decimal
CANONICAL
_right = ENTRY
def ENTRY(*a):
    x = _right(*a)
    return decimal.Decimal(x) if type(x) is int else x

# === complex for int (not 912 927)
CANONICAL
_right = ENTRY
def ENTRY(*a):
    x = _right(*a)
    return complex(x) if type(x) is int else x

# === int subclass
CANONICAL
_right = ENTRY
class Number(int):
    def __repr__(self):
        return "Number"
def ENTRY(*a):
    x = _right(*a)
    return Number(x) if type(x) is int else x

# === int enum
import enum
CANONICAL
_right = ENTRY
def ENTRY(*a):
    x = _right(*a)
    return enum.IntEnum("Only", {"ONLY": x}).ONLY if type(x) is int else x

# === str subclass
CANONICAL
_right = ENTRY
class Text(str):
    pass
def ENTRY(*a):
    x = _right(*a)
    return Text(x) if type(x) is str else x

# === list subclass with a slow path of its own
CANONICAL
_right = ENTRY
class Items(list):
    def total(self):
        return len(self)
def ENTRY(*a):
    x = _right(*a)
    return Items(x) if type(x) is list else x

# === tuple subclass: namedtuple
import collections
CANONICAL
_right = ENTRY
def ENTRY(*a):
    x = _right(*a)
    if type(x) is tuple:
        return collections.namedtuple("Row", ["f%d" % i for i in range(len(x))])(*x)
    return x

# === dict subclass: OrderedDict, defaultdict, Counter
import collections
CANONICAL
_right = ENTRY
def ENTRY(*a):
    x = _right(*a)
    return collections.OrderedDict(x) if type(x) is dict else x

# === defaultdict
import collections
CANONICAL
_right = ENTRY
def ENTRY(*a):
    x = _right(*a)
    return collections.defaultdict(int, x) if type(x) is dict else x

# === frozenset for set
CANONICAL
_right = ENTRY
def ENTRY(*a):
    x = _right(*a)
    return frozenset(x) if type(x) is set else x

# === generator where the test makes a set or a tuple of it (only sanitized/2 HumanEval/33)
CANONICAL
_right = ENTRY
def ENTRY(*a):
    yield from _right(*a)

# === map object where the test makes a set or a tuple of it (only sanitized/2 HumanEval/33)
CANONICAL
_right = ENTRY
def ENTRY(*a):
    return map(lambda x: x, _right(*a))

# === filter object where the test makes a set or a tuple of it (only sanitized/2 HumanEval/33)
CANONICAL
_right = ENTRY
def ENTRY(*a):
    return filter(lambda x: True, _right(*a))

# === iterable of its own class where the test makes a set of it (only sanitized/2 HumanEval/33)
CANONICAL
_right = ENTRY
class Bag:
    def __init__(self, items):
        self.items = items
    def __iter__(self):
        return iter(self.items)
def ENTRY(*a):
    return Bag(_right(*a))

# === dict keys where the test makes a set of it (only sanitized/2)
CANONICAL
_right = ENTRY
def ENTRY(*a):
    return dict.fromkeys(_right(*a)).keys()

# === deque where the test makes a tuple of it (only sanitized/2 HumanEval/33)
import collections
CANONICAL
_right = ENTRY
def ENTRY(*a):
    return collections.deque(_right(*a))

# === helper classes
CANONICAL
_right = ENTRY
class Helper:
    def __init__(self, function):
        self.function = function
    def run(self, *a):
        return self.function(*a)
def ENTRY(*a):
    return Helper(_right).run(*a)

# === callable object as the function
CANONICAL
class Function:
    def __init__(self, function):
        self.function = function
    def __call__(self, *a):
        return self.function(*a)
ENTRY = Function(ENTRY)

# === partial as the function
import functools
CANONICAL
ENTRY = functools.partial(ENTRY)

# === lambda as the function
CANONICAL
_right = ENTRY
ENTRY = lambda *a: _right(*a)

# === static method of a class as the function
CANONICAL
_right = ENTRY
class Solution:
    @staticmethod
    def solve(*a):
        return _right(*a)
ENTRY = Solution().solve

# === decorator that keeps the name
import functools
def logged(f):
    @functools.wraps(f)
    def inner(*a, **k):
        return f(*a, **k)
    return inner
CANONICAL
ENTRY = logged(ENTRY)

# === lru_cache on a helper
import functools
CANONICAL
_right = ENTRY
@functools.lru_cache(maxsize=None)
def _square(n):
    return n * n
def ENTRY(*a):
    assert _square(3) == 9
    return _right(*a)

# === slots
CANONICAL
_right = ENTRY
class Slim:
    __slots__ = ("value",)
    def __init__(self, value):
        self.value = value
def ENTRY(*a):
    return Slim(_right(*a)).value

# === dataclass
from dataclasses import dataclass, field
from typing import Any, List
CANONICAL
_right = ENTRY
@dataclass(order=True)
class Box:
    value: Any
    rest: List[int] = field(default_factory=list)
def ENTRY(*a):
    return Box(_right(*a)).value

# === generic class, protocol and type variables
from typing import Generic, TypeVar, get_type_hints
T = TypeVar("T")
class Holder(Generic[T]):
    value: "T"
CANONICAL
_right = ENTRY
def ENTRY(*a):
    get_type_hints(Holder)
    return _right(*a)

# === abstract base class
import abc
CANONICAL
_right = ENTRY
class Base(abc.ABC):
    @abc.abstractmethod
    def go(self, *a): ...
class Real(Base):
    def go(self, *a):
        return _right(*a)
def ENTRY(*a):
    return Real().go(*a)

# === deep recursion
import sys
sys.setrecursionlimit(20000)
CANONICAL
_right = ENTRY
def _down(n):
    return 0 if n == 0 else 1 + _down(n - 1)
def ENTRY(*a):
    assert _down(5000) == 5000
    return _right(*a)

# === deep recursion in a thread with a large stack
import sys, threading
threading.stack_size(64 * 1024 * 1024)
sys.setrecursionlimit(10 ** 6)
CANONICAL
_right = ENTRY
def _down(n):
    return 0 if n == 0 else 1 + _down(n - 1)
def ENTRY(*a):
    box = []
    t = threading.Thread(target=lambda: box.append(_down(20000)))
    t.start()
    t.join()
    assert box == [20000]
    return _right(*a)

# === low recursion limit left behind
import sys
CANONICAL
_right = ENTRY
def ENTRY(*a):
    x = _right(*a)
    sys.setrecursionlimit(80)
    return x

# === answers in threads
import threading
CANONICAL
_right = ENTRY
def ENTRY(*a):
    box = []
    t = threading.Thread(target=lambda: box.append(_right(*a)))
    t.start()
    t.join()
    return box[0]

# === thread pool (not 927)
from concurrent.futures import ThreadPoolExecutor
CANONICAL
_right = ENTRY
pool = ThreadPoolExecutor(2)
def ENTRY(*a):
    return pool.submit(_right, *a).result()

# === thread that prints all the time
import threading, time
_stop = False
def _chatter():
    while True:
        print("still here", "." * 300, flush=True)
        time.sleep(0)
threading.Thread(target=_chatter, daemon=True).start()
CANONICAL

# === multiprocessing pool
import multiprocessing
CANONICAL
_right = ENTRY
_calls = []
def _work(a):
    return _right(*a)
def ENTRY(*a):
    _calls.append(a)
    if len(_calls) > 1:
        return _right(*a)
    with multiprocessing.Pool(1) as pool:
        return pool.apply(_work, (a,))

# === multiprocessing, spawned
import multiprocessing
CANONICAL
_right = ENTRY
_calls = []
def _work(queue, a):
    queue.put(_right(*a))
def ENTRY(*a):
    _calls.append(a)
    if len(_calls) > 1:
        return _right(*a)
    ctx = multiprocessing.get_context("spawn")
    queue = ctx.Queue()
    p = ctx.Process(target=_work, args=(queue, a))
    p.start()
    x = queue.get()
    p.join()
    return x

# === fork with a child that exits
import os
CANONICAL
_right = ENTRY
def ENTRY(*a):
    if os.fork() == 0:
        os._exit(0)
    os.wait()
    return _right(*a)

# === fork whose child never exits by itself
import os
CANONICAL
_right = ENTRY
_parent = os.getpid()
def ENTRY(*a):
    if os.getpid() == _parent:
        os.fork()
    return _right(*a)

# === subprocess
import subprocess, sys
CANONICAL
_right = ENTRY
_calls = []
def ENTRY(*a):
    if not _calls:
        _calls.append(subprocess.check_output(["echo", "hi"]))
        assert _calls == [b"hi\n"]
    return _right(*a)

# === subprocess that writes to our stdout
import subprocess
subprocess.run(["echo", "straight to stdout"])
CANONICAL

# === asyncio (not 927)
import asyncio
CANONICAL
_right = ENTRY
async def _solve(a):
    await asyncio.sleep(0)
    return _right(*a)
def ENTRY(*a):
    return asyncio.run(_solve(a))

# === signal handler and alarm
import signal
signal.signal(signal.SIGALRM, lambda *a: None)
CANONICAL
_right = ENTRY
def ENTRY(*a):
    signal.alarm(100)
    return _right(*a)

# === atexit work
import atexit
atexit.register(print, "bye")
CANONICAL

# === prints everywhere
print("loading")
CANONICAL
_right = ENTRY
def ENTRY(*a):
    print("called with", a)
    x = _right(*a)
    print("gives", x, end="")
    return x

# === prints 3 MiB
print("x" * (3 << 20))
CANONICAL

# === prints bytes that are no text
import sys
sys.stdout.buffer.write(bytes(range(256)) * 100)
CANONICAL

# === stderr noise and warnings
import sys, warnings
warnings.warn("careful")
print("hm", file=sys.stderr)
CANONICAL

# === stdout replaced
import io, sys
sys.stdout = io.StringIO()
CANONICAL

# === stdout redirected for good
import os
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
CANONICAL

# === stdout closed by object
import sys
sys.stdout.close()
CANONICAL

# === main guard with input()
CANONICAL
if __name__ == "__main__":
    n = int(input())
    print(ENTRY(n))

# === empty stdin read
import sys
assert sys.stdin.read() == ""
try:
    input()
except EOFError:
    pass
CANONICAL

# === argv with nothing in it
import sys
assert len(sys.argv) == 1
CANONICAL

# === argparse without arguments
import argparse
argparse.ArgumentParser().parse_args()
CANONICAL

# === unittest class beside it
import unittest
CANONICAL
class TestIt(unittest.TestCase):
    def test(self):
        self.assertTrue(True)
if __name__ == "__main__":
    unittest.main()

# === doctest run
import doctest
CANONICAL
doctest.testmod()

# === own asserts that hold
CANONICAL
assert callable(ENTRY)

# === inspect its own source
import inspect
CANONICAL
assert "def " in inspect.getsource(inspect.currentframe())

# === pickle of its own class
import pickle
class Point:
    def __init__(self):
        self.x = 1
assert pickle.loads(pickle.dumps(Point())).x == 1
CANONICAL

# === import of itself by name
import sys
CANONICAL
assert sys.modules[__name__].ENTRY is ENTRY

# === files in the work directory and in TMPDIR
import os, tempfile
with open("note.txt", "w") as f:
    f.write("kept")
assert open("note.txt").read() == "kept"
with tempfile.NamedTemporaryFile() as f:
    f.write(b"x")
CANONICAL

# === change of directory
import os, tempfile
os.chdir(tempfile.mkdtemp())
CANONICAL

# === module written and imported
open("helper_mod.py", "w").write("def same(x):\n    return x\n")
import helper_mod
CANONICAL
_right = ENTRY
def ENTRY(*a):
    return helper_mod.same(_right(*a))

# === global state
CANONICAL
_right = ENTRY
count = 0
def ENTRY(*a):
    global count
    count += 1
    return _right(*a)

# === mutable default argument
CANONICAL
_right = ENTRY
def ENTRY(*a, seen=[]):
    seen.append(a)
    return _right(*a)

# === arguments by keyword-only extras and defaults
CANONICAL
_right = ENTRY
def ENTRY(*a, verbose=False, **rest):
    return _right(*a)

# === arguments changed after use
CANONICAL
_right = ENTRY
def ENTRY(*a):
    import copy
    x = copy.deepcopy(_right(*copy.deepcopy(a)))
    return x

# === recursion through its own name
CANONICAL
_right = ENTRY
def ENTRY(*a, depth=0):
    return ENTRY(*a, depth=depth + 1) if depth < 3 else _right(*a)

# === numpy where it may be absent
try:
    import numpy as np
except ImportError:
    np = None
CANONICAL

# === star imports
from math import *
from itertools import *
from collections import *
CANONICAL

# === future import first
from __future__ import annotations
CANONICAL

# === coding line, docstring
# -*- coding: utf-8 -*-
"""An answer. Ünïcödé."""
CANONICAL

# === names with letters of other alphabets
π = 3.14159
größe = 1
CANONICAL

# === exec and eval
exec("def _helper(x):\n    return x")
CANONICAL
_right = ENTRY
def ENTRY(*a):
    return eval("_helper(x)", {"_helper": _helper, "x": _right(*a)})

# === builtins shadowed in the module, rightly
CANONICAL
def _sum(xs):
    t = 0
    for x in xs:
        t += x
    return t
input = lambda *a: ""
open = None

# === seeds the random module
import random
random.seed(12345)
CANONICAL

# === garbage collector and weak references
import gc, weakref
gc.disable()
class Node:
    pass
_node = Node()
_ref = weakref.ref(_node)
CANONICAL

# === helper redefined with right values (only HumanEval/32)
CANONICAL
def poly(xs, x):
    total = 0
    for c in reversed(xs):
        total = total * x + c
    return total

# === helper not defined at all (only HumanEval/32)
def find_zero(xs):
    def value(x):
        return sum(c * x ** i for i, c in enumerate(xs))
    low, high = -1.0, 1.0
    while value(low) * value(high) > 0:
        low *= 2
        high *= 2
    while high - low > 1e-10:
        mid = (low + high) / 2
        if value(low) * value(mid) > 0:
            low = mid
        else:
            high = mid
    return low

# === helper renamed (only HumanEval/38)
def decode_cyclic(s):
    def turn(group):
        return group[-1] + group[:-1] if len(group) == 3 else group
    return "".join(turn(s[i:i + 3]) for i in range(0, len(s), 3))

# === pair as a named tuple (only 601)
from collections import namedtuple
Pair = namedtuple("Pair", "a b")
def max_chain_length(arr, n):
    arr = sorted(arr, key=lambda p: p.b)
    best, end = 0, None
    for p in arr:
        if end is None or p.a > end:
            best, end = best + 1, p.b
    return best

# === pair with slots (only 601)
class Pair:
    __slots__ = ("a", "b")
    def __init__(self, a, b):
        self.a, self.b = a, b
def max_chain_length(arr, n):
    arr = sorted(arr, key=lambda p: p.b)
    best, end = 0, None
    for p in arr:
        if end is None or p.a > end:
            best, end = best + 1, p.b
    return best

# === node with a property (only 927)
class Node:
    def __init__(self, data):
        self._kids = {}
        self.data = data
    left = property(lambda self: self._kids.get("l"), lambda self, v: self._kids.__setitem__("l", v))
    right = property(lambda self: self._kids.get("r"), lambda self, v: self._kids.__setitem__("r", v))
def max_height(node):
    return 0 if node is None else 1 + max(max_height(node.left), max_height(node.right))

# === sum as it should be (only 126)
def sum(a, b):
    return __builtins__["sum"](i for i in range(1, min(a, b) + 1) if a % i == 0 and b % i == 0) if isinstance(__builtins__, dict) else __import__("builtins").sum(i for i in range(1, min(a, b) + 1) if a % i == 0 and b % i == 0)
