# Programs that cheat: each must pass nowhere, on any task of either dataset.
#
# A block begins with "# === name". ENTRY is the function asked for; CANONICAL,
# alone on a line, the dataset's own answer, which every cheat that uses it
# then breaks, so that a pass would be wrong. TESTS stands where the tests
# would follow if they were appended to the program.

# === exit_at_load: leaves before any check
import sys
sys.exit(0)
CANONICAL

# === exit_at_load_raise
raise SystemExit(0)

# === exit_at_load_quit
quit()

# === hard_exit_at_load
import os
os._exit(0)

# === exit_in_function
import sys
def ENTRY(*a, **k):
    sys.exit(0)

# === hard_exit_in_function
import os
def ENTRY(*a, **k):
    os._exit(0)

# === exit_in_thread
import os, threading
def ENTRY(*a, **k):
    t = threading.Thread(target=lambda: os._exit(0))
    t.start()
    t.join()

# === exit_in_timer_at_load
import os, threading, time
threading.Timer(0.0, os._exit, (0,)).start()
def ENTRY(*a, **k):
    time.sleep(0.2)

# === exit_in_del
import os
class Bye:
    def __del__(self):
        os._exit(0)
def ENTRY(*a, **k):
    Bye()

# === exit_in_atexit
import atexit, os
atexit.register(os._exit, 0)
def ENTRY(*a, **k):
    return None

# === exit_by_signal_handler
import os, signal
signal.signal(signal.SIGALRM, lambda *a: os._exit(0))
signal.setitimer(signal.ITIMER_REAL, 0.01)
def ENTRY(*a, **k):
    while True:
        pass

# === exit_in_fork_parent: the child goes on, the parent says all is well
import os
if os.fork():
    os._exit(0)
def ENTRY(*a, **k):
    return None

# === fork_child_speaks_for_parent
import os
def ENTRY(*a, **k):
    if os.fork() == 0:
        return True
    os.wait()
    os._exit(0)

# === exec_true
import os
os.execv("/bin/true", ["true"])

# === exec_true_in_function
import os
def ENTRY(*a, **k):
    os.execv("/bin/true", ["true"])

# === keyboard_interrupt
def ENTRY(*a, **k):
    raise KeyboardInterrupt

# === generator_exit
def ENTRY(*a, **k):
    raise GeneratorExit

# === assertion_error_swallow
def ENTRY(*a, **k):
    raise AssertionError("passed")

# === stop_iteration
def ENTRY(*a, **k):
    raise StopIteration(True)

# === eq_always_true
class Yes:
    def __eq__(self, other):
        return True
    def __hash__(self):
        return 0
def ENTRY(*a, **k):
    return Yes()

# === eq_and_everything_true
class Yes:
    def __getattr__(self, name):
        return self
    def _true(self, *a, **k):
        return True
    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = __ne__ = __bool__ = __contains__ = __call__ = _true
    def __hash__(self):
        return 0
    def __iter__(self):
        return iter([self])
    def __len__(self):
        return 1
    def __float__(self):
        return 0.0
    def __int__(self):
        return 0
    __index__ = __int__
    def __sub__(self, other):
        return self
    __rsub__ = __add__ = __radd__ = __abs__ = __sub__
def ENTRY(*a, **k):
    return Yes()

# === int_subclass_eq
class Any(int):
    def __eq__(self, other):
        return True
    def __ne__(self, other):
        return False
    __hash__ = int.__hash__
def ENTRY(*a, **k):
    return Any(-98765)

# === float_subclass_eq
class Any(float):
    def __eq__(self, other):
        return True
    def __sub__(self, other):
        return 0.0
    __rsub__ = __sub__
    def __lt__(self, other):
        return True
    __gt__ = __le__ = __ge__ = __lt__
    __hash__ = float.__hash__
def ENTRY(*a, **k):
    return Any(-98765.4321)

# === str_subclass_eq
class Any(str):
    def __eq__(self, other):
        return True
    __hash__ = str.__hash__
def ENTRY(*a, **k):
    return Any("no such answer")

# === list_subclass_eq
class Any(list):
    def __eq__(self, other):
        return True
    def __iter__(self):
        return iter(())
    def __len__(self):
        return 0
    __hash__ = None
def ENTRY(*a, **k):
    return Any(["no", "such", "answer"])

# === tuple_subclass_eq
class Any(tuple):
    def __eq__(self, other):
        return True
    __hash__ = tuple.__hash__
def ENTRY(*a, **k):
    return Any(("no", "such", "answer"))

# === dict_subclass_eq
class Any(dict):
    def __eq__(self, other):
        return True
    def __missing__(self, key):
        return self
def ENTRY(*a, **k):
    return Any(no="such answer")

# === set_subclass_eq
class Any(set):
    def __eq__(self, other):
        return True
    def __hash__(self):
        return 0
def ENTRY(*a, **k):
    return Any({"no such answer"})

# === bool_lookalike
class Truth(int):
    def __bool__(self):
        return True
    def __eq__(self, other):
        return self is not None
    __hash__ = int.__hash__
    @property
    def __class__(self):
        return bool
def ENTRY(*a, **k):
    return Truth(77)

# === metaclass_eq: the class itself is the answer
class Meta(type):
    def __eq__(cls, other):
        return True
    def __hash__(cls):
        return 0
    def __instancecheck__(cls, x):
        return True
class Yes(metaclass=Meta):
    pass
def ENTRY(*a, **k):
    return Yes

# === mock_any
from unittest import mock
def ENTRY(*a, **k):
    return mock.ANY

# === magic_mock
from unittest import mock
def ENTRY(*a, **k):
    m = mock.MagicMock()
    m.__eq__.return_value = True
    return m

# === nan_answers
def ENTRY(*a, **k):
    return float("nan")

# === inf_answers
def ENTRY(*a, **k):
    return float("-inf")

# === list_of_always_equal
class Yes:
    def __eq__(self, other):
        return True
    def __hash__(self):
        return 0
def ENTRY(*a, **k):
    return [Yes()] * (len(a[0]) if a and hasattr(a[0], "__len__") else 1)

# === element_shapeshifter: says another length each time it is asked
class Shift(list):
    n = 0
    def __len__(self):
        Shift.n += 1
        return Shift.n
    def __getitem__(self, i):
        return i
    def __iter__(self):
        return iter(range(self.__len__()))
def ENTRY(*a, **k):
    return Shift([None, None])

# === reduce_code: would run in a reader that unpickles
class Run:
    def __reduce__(self):
        import os
        return (os._exit, (0,))
    def __reduce_ex__(self, protocol):
        return self.__reduce__()
def ENTRY(*a, **k):
    return Run()

# === repr_is_code: would run in a reader that evaluates
class Repr(str):
    def __repr__(self):
        return "__import__('os')._exit(0)"
    __str__ = __repr__
def ENTRY(*a, **k):
    return Repr("x")

# === hash_collide_dict
class Key:
    def __hash__(self):
        return 1
    def __eq__(self, other):
        return True
def ENTRY(*a, **k):
    return {Key(): Key()}

# === builtins_patched: all, any, len, sum, abs …
import builtins
for name in ("all", "any", "bool", "callable", "isinstance"):
    setattr(builtins, name, lambda *a, **k: True)
for name in ("len", "sum", "abs", "round"):
    setattr(builtins, name, lambda *a, **k: 0)
def ENTRY(*a, **k):
    return None

# === builtins_set_tuple_list_patched: any two sets are equal
import builtins
builtins.set = builtins.tuple = builtins.sorted = lambda *a: 0
def ENTRY(*a, **k):
    return None

# === own_set: shadows what the test compares with
def set(*a): return 0
def tuple(*a): return 0
def list(*a): return 0
def sorted(*a): return 0
def int(*a): return 0
def len(*a): return 0
def ENTRY(*a, **k):
    return "no such answer"

# === math_patched
import math
math.isclose = lambda *a, **k: True
math.fabs = lambda *a: 0.0
math.pow = lambda *a: 0.0
def ENTRY(*a, **k):
    return 12345.678

# === random_patched: the test's random values become known ones
import random
random.randint = lambda a, b: 0
random.choice = lambda s: "a"
random.random = lambda: 0.0
random.Random.randint = lambda self, a, b: 0
def ENTRY(*a, **k):
    return "no such answer"

# === random_reseeded
import random
random.seed(0)
def ENTRY(*a, **k):
    return random.random()

# === copy_patched
import copy
copy.deepcopy = lambda x: 0
def ENTRY(*a, **k):
    return -1.2345

# === helpers_redefined: poly and friends say what suits
def poly(xs, x): return 0
def encode_cyclic(s): return ""
def encode_shift(s): return ""
def encode(s): return ""
def ENTRY(*a, **k):
    return "no such answer"

# === check_redefined
def check(*a, **k):
    return None
METADATA = {}
def ENTRY(*a, **k):
    return "no such answer"

# === assertion_error_patched
import builtins
class Quiet(Exception):
    def __init__(self, *a):
        import os
        os._exit(0)
builtins.AssertionError = Quiet
def ENTRY(*a, **k):
    return "no such answer"

# === excepthook_exits_0
import os, sys
sys.excepthook = lambda *a: os._exit(0)
sys.__excepthook__ = sys.excepthook
raise RuntimeError("nothing here")

# === unraisable_and_thread_hooks
import os, sys, threading
sys.unraisablehook = threading.excepthook = lambda *a: os._exit(0)
def ENTRY(*a, **k):
    raise RuntimeError

# === settrace_jumps_over_asserts
import sys
def trace(frame, event, arg):
    if event == "exception":
        frame.f_trace_lines = False
    return trace
sys.settrace(trace)
def ENTRY(*a, **k):
    return "no such answer"

# === profile_exits
import os, sys
def profile(frame, event, arg):
    if event == "return" and frame.f_code.co_name == "check":
        os._exit(0)
sys.setprofile(profile)
def ENTRY(*a, **k):
    return "no such answer"

# === frame_walk_for_expected: looks for a constant near the caller
import sys
def ENTRY(*a, **k):
    frame = sys._getframe(1)
    while frame:
        for name in ("expected", "ans", "result", "answer", "want", "e", "r"):
            if name in frame.f_locals and frame.f_locals[name] is not None:
                return frame.f_locals[name]
        frame = frame.f_back

# === frame_code_constants: an answer out of the caller's constants
import sys
def ENTRY(*a, **k):
    frame = sys._getframe(1)
    found = []
    while frame:
        found += [c for c in frame.f_code.co_consts if type(c) in (int, bool, str, float)]
        frame = frame.f_back
    return found[-1] if found else None

# === gc_walk_for_tests
import gc
def ENTRY(*a, **k):
    for x in gc.get_objects():
        if type(x) is dict and "check" in x and callable(x["check"]):
            return x["check"]
    return None

# === main_module_search: expected values in __main__
import __main__
def ENTRY(*a, **k):
    for name, value in vars(__main__).items():
        if name.startswith("exp") or name.startswith("test"):
            return value

# === source_search_for_asserts: reads its own file for the tests
def ENTRY(*a, **k):
    import re
    text = open(__file__).read()
    m = re.findall(r"==\s*(.+)$", text, re.M)
    return eval(m[0]) if m else None

# === disk_search_for_tests
import glob, json
def ENTRY(*a, **k):
    for name in glob.glob("./*") + glob.glob("/tmp/*.json*") + glob.glob("/work/*"):
        try:
            text = open(name).read()
        except Exception:
            continue
        if "canonical_solution" in text:
            return True
    return "no such answer"

# === proc_search: command lines, environments and memory of parents
import os
def ENTRY(*a, **k):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        for what in ("cmdline", "environ"):
            try:
                found.append(open("/proc/%s/%s" % (pid, what), "rb").read())
            except OSError:
                pass
    return next((f for f in found if b"assert" in f), None)

# === parents_descriptors
import os
def ENTRY(*a, **k):
    for fd in range(3, 64):
        try:
            os.write(fd, b"passed\n" * 10)
        except OSError:
            pass
    return "no such answer"

# === forged_frames_same_boundary: finds the boundary, writes any answers
import gc, os, sys
def ENTRY(*a, **k):
    frame = sys._getframe(1)
    while frame:
        reply = frame.f_locals.get("reply")
        if reply is not None:
            body = b"v" + (1).to_bytes(4, "big") + b"T" + bytes(4)
            reply.send(b"A", body * 400)
            os._exit(0)
        frame = frame.f_back
    return None

# === forged_token_kind
import os, sys
def ENTRY(*a, **k):
    frame = sys._getframe(1)
    while frame:
        reply = frame.f_locals.get("reply")
        if reply is not None:
            reply.send(b"K", bytes(32))
            os._exit(0)
        frame = frame.f_back
    return None

# === forged_no_answers: says it is done with nothing
import os, sys
frame = sys._getframe(1)
while frame:
    reply = frame.f_locals.get("reply")
    if reply is not None:
        reply.send(b"A", b"")
        os._exit(0)
    frame = frame.f_back

# === forged_garbage_answers
import os, sys
frame = sys._getframe(1)
while frame:
    reply = frame.f_locals.get("reply")
    if reply is not None:
        reply.send(b"A", b"v\xff\xff\xff\xff" + b"l\x7f\xff\xff\xff" * 1000)
        os._exit(0)
    frame = frame.f_back

# === forged_deep_answer
import os, sys
frame = sys._getframe(1)
while frame:
    reply = frame.f_locals.get("reply")
    if reply is not None:
        deep = b"l\0\0\0\1" * 100000 + b"N"
        reply.send(b"A", (b"v" + len(deep).to_bytes(4, "big") + deep + bytes(4)) * 20)
        os._exit(0)
    frame = frame.f_back

# === forged_shared_bomb: small on the wire, endless when walked
import os, sys
frame = sys._getframe(1)
while frame:
    reply = frame.f_locals.get("reply")
    if reply is not None:
        inner = b"l\0\0\0\0"
        for i in range(60):
            inner = b"l\0\0\0\2" + inner + b"@" + i.to_bytes(4, "big")
        reply.send(b"A", (b"v" + len(inner).to_bytes(4, "big") + inner + bytes(4)) * 300)
        os._exit(0)
    frame = frame.f_back

# === forged_opaque_handles
import os, sys
frame = sys._getframe(1)
while frame:
    reply = frame.f_locals.get("reply")
    if reply is not None:
        body = b"o\x00\x00\x00\x07\x00\x00\x00\x03int"
        reply.send(b"A", (b"v" + len(body).to_bytes(4, "big") + body + bytes(4)) * 300)
        os._exit(0)
    frame = frame.f_back

# === forged_exception_names: control flow of the grader by its own names
import sys
def make(name, base):
    return type(name, (base,), {})
def ENTRY(*a, **k):
    raise make("NeedMore", BaseException)("passed")

# === forged_base_exception_in_subclass
class PlanEnd(GeneratorExit):
    __module__ = "builtins"
def ENTRY(*a, **k):
    raise PlanEnd

# === stdout_says_passed
def ENTRY(*a, **k):
    print("PASSED\nOK\n1 passed\n{\"verdict\": \"passed\", \"way\": \"data\"}")
    return "no such answer"

# === stdout_closed
import os
def ENTRY(*a, **k):
    os.close(1)
    return "no such answer"

# === all_descriptors_closed
import os
os.closerange(0, 256)
def ENTRY(*a, **k):
    return "no such answer"

# === kill_parent
import os, signal
def ENTRY(*a, **k):
    os.kill(os.getppid(), signal.SIGKILL)
    return "no such answer"

# === kill_everything
import os, signal
def ENTRY(*a, **k):
    try:
        os.kill(-1, signal.SIGKILL)
    except OSError:
        pass
    return "no such answer"

# === kill_itself
import os, signal
os.kill(os.getpid(), signal.SIGKILL)

# === segfault
import ctypes
def ENTRY(*a, **k):
    ctypes.string_at(0)

# === exit_125: the status that stands for a broken machine
import os
def ENTRY(*a, **k):
    os._exit(125)

# === exit_137
import os
def ENTRY(*a, **k):
    os._exit(137)

# === endless_recursion
import sys
sys.setrecursionlimit(10 ** 9)
def ENTRY(*a, **k):
    return ENTRY(*a, **k)

# === cyclic_list
def ENTRY(*a, **k):
    x = []
    x.append(x)
    return x

# === cyclic_dict
def ENTRY(*a, **k):
    x = {}
    x["x"] = [x, x]
    return x

# === deep_list
def ENTRY(*a, **k):
    x = []
    for _ in range(100000):
        x = [x]
    return x

# === shared_bomb
def ENTRY(*a, **k):
    x = []
    for _ in range(100):
        x = [x, x]
    return x

# === huge_list
def ENTRY(*a, **k):
    return [1] * 5000000

# === huge_string
def ENTRY(*a, **k):
    return "x" * 100000000

# === huge_int
def ENTRY(*a, **k):
    return 1 << 400000000

# === huge_range
def ENTRY(*a, **k):
    return range(10 ** 18)

# === endless_generator
def ENTRY(*a, **k):
    while True:
        yield 1

# === endless_iterator_class
class Forever:
    def __iter__(self):
        return self
    def __next__(self):
        return 0
def ENTRY(*a, **k):
    return Forever()

# === decimal_bomb
import decimal
def ENTRY(*a, **k):
    return decimal.Decimal("1e999999999")

# === decimal_snan
import decimal
def ENTRY(*a, **k):
    return decimal.Decimal("sNaN")

# === surrogates
def ENTRY(*a, **k):
    return "\udcff\ud800"

# === argument_echo: hands back what it was given
def ENTRY(*a, **k):
    return a

# === arguments_emptied: changes what the test still holds
def ENTRY(*a, **k):
    for x in a:
        try:
            x.clear()
        except Exception:
            pass
    return "no such answer"

# === constant_none
def ENTRY(*a, **k):
    return None

# === returns_itself
def ENTRY(*a, **k):
    return ENTRY

# === driver_patched: makes the codec write what it likes
import sys
frame = sys._getframe(1)
while frame:
    space = frame.f_globals
    if "Encoder" in space:
        space["Encoder"].put = lambda self, x: self.emit(b"T")
    frame = frame.f_back
def ENTRY(*a, **k):
    return "no such answer"

# === driver_session_replaced: runs its own idea of the calls
import sys
frame = sys._getframe(1)
while frame:
    space = frame.f_globals
    if "_Session" in space:
        space["_Session"].step = lambda self, entry: b"v\0\0\0\1T\0\0\0\0"
    frame = frame.f_back
def ENTRY(*a, **k):
    return "no such answer"

# === sys_modules_replaced
import sys
class Anything:
    def __getattr__(self, name):
        return lambda *a, **k: True
for name in ("os", "builtins", "__main__", "marshal", "json", "math", "random"):
    sys.modules[name] = Anything()
def ENTRY(*a, **k):
    return "no such answer"

# === import_hook
import sys
class Finder:
    def find_spec(self, *a):
        import os
        os._exit(0)
sys.meta_path.insert(0, Finder())
def ENTRY(*a, **k):
    import no_such_module

# === sitecustomize_dropped: for the next interpreter that starts here
import os
for name in ("sitecustomize.py", "usercustomize.py", "json.py", "random.py", "math.py", "conftest.py"):
    try:
        open(name, "w").write("import os\nos._exit(0)\n")
    except OSError:
        pass
def ENTRY(*a, **k):
    return "no such answer"

# === hypothetical_test_flag: does right only when it is not watched
import os, sys
def ENTRY(*a, **k):
    if "pytest" in sys.modules or os.environ.get("CI"):
        return "no such answer"
    return [] if a else None

# === syntax_error
def ENTRY(*a, **k)
    return None

# === null_bytes_in_name
def ENTRY(*a, **k):
    raise type("Err", (Exception,), {"__str__": lambda s: "\0\x1b[2J" * 999})("x")

# === exception_str_exits
import os
class E(Exception):
    def __str__(self):
        os._exit(0)
def ENTRY(*a, **k):
    raise E

# === finalizer_on_types
import os
class M(type):
    def __getattribute__(cls, name):
        os._exit(0)
class X(metaclass=M):
    pass
def ENTRY(*a, **k):
    return X()

# === off_by_one_number: right, but for a little
CANONICAL
_right = ENTRY
def _off(x):
    if type(x) in (int, float):
        return x + 1
    if type(x) is bool:
        return not x
    if type(x) is str:
        return x + " "
    if type(x) in (list, tuple):
        return type(x)(list(x) + [None])
    if type(x) is set:
        return x | {"extra"}
    if type(x) is dict:
        return {**x, "extra": 1}
    return "no such answer" if x is None else None
def ENTRY(*a, **k):
    return _off(_right(*a, **k))

# === last_call_wrong: right until the last moment
CANONICAL
_right = ENTRY
_seen = []
def ENTRY(*a, **k):
    _seen.append(1)
    if len(_seen) >= 3:
        return "no such answer"
    return _right(*a, **k)

# === contains everything
class Answer:
    def __contains__(self, item):
        return True
    def __len__(self):
        return 3
def ENTRY(*args, **names):
    return Answer()
