# The replay: a dataset's own test, run against what the answer gave.
#
# The same test runs in two ways. Planning runs it with its asserts neutralised
# against stand-ins that accept everything, and yields the calls it makes.
# Checking runs it unmodified against the recorded answers. Both run in a fork;
# what the answer defined never exists here, only data and opaque objects.
import ast
import builtins
import random
import sys


class NeedMore(BaseException):
    """The test makes a call that the plan does not have."""


class PlanEnd(BaseException):
    """The test's next call depends on answers that are not there yet."""


class InProcess(BaseException):
    """The test does something that can't be said in calls and data."""


class AnswerRaised(Exception):
    """An exception of the answer's that no builtin type is near to."""


# Calls that change nothing: a plan may hold ones that the check never makes.
_READS = "gailtsr"


class _NotThen(Exception):
    """A call that the earlier plan can't have had."""


class Session:
    """One replay: the calls that the test makes and what each one gives.

    `plan` holds the encoded calls that were made of the answer, `answers` what
    each gave. Whatever came out of one remembers which by two numbers: its
    place in that plan, and its place among the calls of this replay.
    """

    def __init__(self, plan, answers):
        self.plan = plan
        self.answers = answers
        self.cursor = 0
        self.missing = False
        self.origin = {}
        self.raised = None
        self.calls = 0

    def find(self, entry):
        """Where the plan has this call next, or None.

        A plan may hold reads that the test turns out not to make; those are
        passed over.
        """
        for at in range(self.cursor, min(len(self.plan), len(self.answers))):
            if self.plan[at] == entry:
                self.cursor = at + 1
                return at
            # An entry is a tuple of four, whose first is a one-letter str.
            if chr(self.plan[at][10]) not in _READS:
                break
        return None

    def encode(self, call, then):
        """A call as bytes, by the numbers of the plan (then) or of now."""
        writer = Encoder(self.refuse, 64 << 20, lambda x: self.reference(x, then))
        writer.put(call)
        return writer.bytes()

    def reference(self, x, then):
        """Bytes for what the answer's side has itself; None for plain data."""
        kind = type(x)
        if kind is Unknown:
            if x._at is None:
                raise PlanEnd()
            if then:
                raise _NotThen()
            return b"=" + _n(x._at)
        known = self.origin.get(id(x))
        if known is not None and self.written(x) == known[3]:
            return b"=" + _n(known[0] if then else known[1])
        if kind is Opaque:
            at = x._was if then else x._at
            return b"o" + _n(x._number) + _n(0) if at is None else b"=" + _n(at)
        return None

    def written(self, x):
        """A value as bytes, to see whether the test has changed it since."""
        writer = Encoder(self.refuse, 64 << 20, lambda y: b"o" + _n(y._number) if type(y) is Opaque else None)
        writer.put(x)
        return writer.bytes()

    def refuse(self, x):
        raise InProcess()

    def deliver(self, was, at, args, names):
        """What the call `was` of the plan gave, as call `at` of this replay."""
        status, value, post = self.answers[was]
        self.calls += 1
        if post:
            _sync_all(args, names, decode(post, self.special))
        made = decode(value, self.special)
        if status != b"v":
            self.raised = _exception(status, made)
            raise self.raised
        if type(made) is Opaque:
            made.__dict__.update(_was=was, _at=at)
        elif type(made) in _FRESH and made != ():
            self.origin[id(made)] = (was, at, made, self.written(made))
        return made

    def special(self, tag, number, name):
        if tag != b"o":
            raise CodecError("unknown tag")
        return Opaque(self, number, name)


class Checker(Session):
    """The replay that decides: a call that has no answer ends it."""

    def op(self, kind, target, args=(), names=None):
        names = names or {}
        at = None
        if not self.missing:
            at = self.find(self.encode((kind, target, args, names), True))
        if at is None:
            self.missing = True
            raise NeedMore()
        return self.deliver(at, at, args, names)


class Planner(Session):
    """The replay that collects calls. Ones without an answer give an Unknown.

    It goes on matching the earlier plan after such a call, so that every call
    of the same kind is found in one round.
    """

    def __init__(self, plan, answers):
        super().__init__(plan, answers)
        self.made = []

    def op(self, kind, target, args=(), names=None):
        names = names or {}
        call = (kind, target, args, names)
        self.made.append(self.encode(call, False))
        if len(self.made) > 100000:
            raise PlanEnd()
        try:
            was = self.find(self.encode(call, True)) if self.plan else None
        except _NotThen:
            was = None
        if was is None:
            self.missing = True
            return Unknown(self, len(self.made) - 1)
        return self.deliver(was, len(self.made) - 1, args, names)


# Types whose decoded objects are new ones, so that identity tells them.
_FRESH = (list, dict, set, bytearray, tuple)


def _exception(status, made):
    """The exception to raise for one that the answer raised."""
    if type(made) is not tuple or len(made) != 3 or any(type(part) is not str for part in made):
        raise CodecError("bad exception")
    name, base, message = made
    kind = getattr(builtins, base, None)
    if not (type(kind) is type and issubclass(kind, BaseException)):
        kind = AnswerRaised
    if name != base:
        kind = type(name, (kind,), {"__module__": "answer"})
    try:
        error = kind(message)
    except Exception:
        # A few builtin ones, such as UnicodeDecodeError, want more arguments.
        error = AnswerRaised(message)
    error._cupel_name = name if status == b"v" or status == b"e" else "not plain data: " + name
    error._cupel_message = message
    return error


def _sync_all(args, names, now):
    if type(now) is not tuple or len(now) != 2 or type(now[0]) is not tuple or type(now[1]) is not dict:
        raise CodecError("bad arguments")
    for old, new in zip(args, now[0]):
        _sync(old, new)
    for key, new in now[1].items():
        _sync(names.get(key), new)


def _sync(old, new):
    """Make a changed argument look as the answer left it, as far as it can."""
    if type(old) is not type(new):
        return new
    if type(old) is list:
        kept = old[:]
        old[:] = [_sync(kept[i], item) if i < len(kept) else item for i, item in enumerate(new)]
    elif type(old) is dict:
        kept = dict(old)
        old.clear()
        old.update((key, _sync(kept[key], item) if key in kept else item) for key, item in new.items())
    elif type(old) is set:
        old.clear()
        old.update(new)
    elif type(old) is bytearray:
        old[:] = new
    elif old != new:
        return new
    return old


class Opaque:
    """An object of the answer's: compared by identity, asked by calls.

    Its number says which one it is. Each time one comes back there is a new
    Opaque, which remembers by which call (_at), as the stand-ins of the plan
    do: so the calls on it are written the same way.
    """

    def __init__(self, session, number, name):
        self.__dict__.update(_session=session, _number=number, _name=name, _was=None, _at=None)

    def __eq__(self, other):
        return type(other) is Opaque and self._number == other._number

    def __hash__(self):
        return hash(self._number)

    def _plain(self, kind, default, *args):
        """An operation whose result has the type of default, which stands in."""
        made = self._session.op(kind, self, args)
        if type(made) is Unknown:
            return default
        if type(made) is not type(default):
            raise CodecError("bad answer")
        return made

    def __getattr__(self, name):
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return self._session.op("a", self, (name,))

    def __setattr__(self, name, value):
        self._session.op("A", self, (name, value))

    def __delattr__(self, name):
        self._session.op("D", self, (name,))

    def __call__(self, *args, **names):
        return self._session.op("c", self, args, names)

    def __getitem__(self, key):
        return self._session.op("i", self, (key,))

    def __setitem__(self, key, value):
        self._session.op("I", self, (key, value))

    def __delitem__(self, key):
        self._session.op("J", self, (key,))

    def __len__(self):
        # list() and tuple() ask for a hint after they have asked to iterate.
        hint = self.__dict__.pop("_hint", None)
        return self._plain("l", 0) if hint is None else hint

    def __bool__(self):
        return True

    def __iter__(self):
        items = self._plain("t", [])
        self.__dict__["_hint"] = len(items)
        return iter(items)

    def __next__(self):
        return self._session.op("n", self)

    # No __contains__: `in` compares what iterating gives, here, or the answer
    # would be asked for the verdict.

    def __str__(self):
        return self._plain("s", "")

    def __repr__(self):
        return self._plain("r", "")

    def __mro_entries__(self, bases):
        raise InProcess()


class Unknown:
    """What a call will give, while planning: takes part in everything."""

    def __init__(self, session, at=None):
        self.__dict__.update(_session=session, _at=at)

    def _op(self, kind, args=(), names=None):
        if self._at is None:
            return Unknown(self._session)
        return self._session.op(kind, self, args, names)

    def __getattr__(self, name):
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return self._op("a", (name,))

    def __setattr__(self, name, value):
        self._op("A", (name, value))

    def __delattr__(self, name):
        self._op("D", (name,))

    def __call__(self, *args, **names):
        if self._at is None:
            raise PlanEnd()
        return self._op("c", args, names)

    def __getitem__(self, key):
        return self._op("i", (key,))

    def __setitem__(self, key, value):
        self._op("I", (key, value))

    def __delitem__(self, key):
        self._op("J", (key,))

    def __mro_entries__(self, bases):
        raise InProcess()

    def __hash__(self):
        return id(self)

    def __iter__(self):
        return iter(())

    def __next__(self):
        raise StopIteration

    def __bool__(self):
        return True

    def __len__(self):
        return 0

    def __contains__(self, item):
        return True

    def __int__(self):
        return 1

    __index__ = __round__ = __trunc__ = __floor__ = __ceil__ = __int__

    def __float__(self):
        return 1.0

    def __complex__(self):
        return 1j

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return False


def _anything(self, *args):
    return Unknown(self._session)


for _name in ("add sub mul truediv floordiv mod divmod pow lshift rshift and or xor matmul").split():
    setattr(Unknown, "__%s__" % _name, _anything)
    setattr(Unknown, "__r%s__" % _name, _anything)
for _name in "eq ne lt le gt ge neg pos abs invert".split():
    setattr(Unknown, "__%s__" % _name, _anything)


class Name:
    """A function of the answer's, by the name it has there."""

    def __init__(self, session, name):
        self._session = session
        self._name = self.__name__ = name

    def __call__(self, *args, **names):
        return self._session.op("c", self._name, args, names)

    def __getattr__(self, name):
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return getattr(self._session.op("g", self._name), name)

    def __mro_entries__(self, bases):
        raise InProcess()


class _Neutral(ast.NodeTransformer):
    """Asserts become expressions that may fail without ending the test."""

    def visit_Assert(self, node):
        handler = ast.ExceptHandler(ast.Name("Exception", ast.Load()), None, [ast.Pass()])
        tried = ast.Try([ast.Expr(node.test)], [handler], [], [])
        return ast.fix_missing_locations(ast.copy_location(tried, node))


_STDLIB = getattr(sys, "stdlib_module_names", None) or frozenset(
    "array bisect cmath collections copy datetime decimal fractions functools heapq itertools math operator "
    "random re statistics string sys time typing".split())


class Task:
    """A dataset's row, compiled once and replayed many times."""

    def __init__(self, form, setup, test, entry):
        self.form, self.text = form, test
        self.entry = entry
        text = test
        if form == "asserts":
            # The set-up builds objects of the answer's, so it is replayed too.
            text, setup = setup + "\n" + test, ""
        tree = ast.parse(text)
        _warm(tree)
        self.setup = compile(setup, "<setup>", "exec", dont_inherit=True)
        self.setup_names = _bound(ast.parse(setup))
        self.names, self.values, self.modules = self._answers_names(tree)
        self.strict = compile(tree, "<test>", "exec", dont_inherit=True)
        self.neutral = compile(_Neutral().visit(ast.parse(text)), "<test>", "exec", dont_inherit=True)

    def _answers_names(self, tree):
        """Free names of the test: called only; used otherwise; modules.

        A builtin's name is the grader's, or an answer could replace `set` and
        make any two things equal; it is the answer's only where the test asks
        for nothing else (a row that wants a function called sum).
        """
        called, other, dotted = set(), set(), set()
        functions = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        owners = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                where = called if id(node) in functions else dotted if id(node) in owners else other
                where.add(node.id)
        known = _bound(tree) | self.setup_names | {self.entry}
        modules = {name for name in dotted - known - called if name in _STDLIB}
        free = (called | other | dotted) - known - modules
        names = {name for name in free if not hasattr(builtins, name)}
        if not names and not self.entry:
            names = called & free
        if self.entry:
            names.add(self.entry)
        return names - (other | dotted), names & (other | dotted), modules

    def run(self, session, code):
        """Replay; what the test raises comes out."""
        random.seed(0)
        space = {"__name__": "test", "__builtins__": builtins}
        exec(self.setup, space)
        for name in self.modules:
            __import__(name)
            space[name] = sys.modules[name]
        for name in self.names:
            space[name] = Name(session, name)
        for name in sorted(self.values):
            space[name] = Name(session, name) if name == self.entry else session.op("g", name)
        exec(code, space)
        if self.form == "check":
            space["check"](Name(session, self.entry))

    def plan(self, plan, answers):
        """The calls that the test makes, as far as they can be known; None
        when they can't be said in data."""
        session = Planner(plan, answers)
        try:
            self.run(session, self.neutral)
        except InProcess:
            return None
        except (PlanEnd, Exception):
            # A stand-in was not good enough; the next round has real answers.
            pass
        return session.made

    def check(self, plan, answers):
        """(verdict, reason), verdict being passed, failed or more."""
        session = Checker(plan, answers)
        try:
            self.run(session, self.strict)
        except CodecError:
            return "failed", "answer not readable"
        except BaseException as error:
            if session.missing:
                return "more", ""
            return "failed", _why(session, error)
        if session.missing:
            return "more", ""
        if not session.calls:
            return "failed", "checks did not finish"
        return "passed", ""


def _warm(tree):
    """Import the library modules that a test imports, once for all forks."""
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module]
        for name in names:
            if name.split(".")[0] in _STDLIB:
                __import__(name)


def _why(session, error):
    if error is session.raised:
        return "exception: " + _short(error._cupel_name, error._cupel_message)
    if isinstance(error, AssertionError):
        return "wrong answer"
    if isinstance(error, MemoryError):
        return "memory limit while checking"
    if isinstance(error, InProcess):
        return "answer not comparable"
    return "wrong answer: the check raised " + type(error).__name__


def _short(name, message):
    line = message.strip().split("\n")[0][:200]
    return name + (": " + line if line else "")


def _bound(tree):
    """Names that a piece of code binds, anywhere in it."""
    bound = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            bound.add(node.name)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            bound.add(node.id)
        elif isinstance(node, ast.alias):
            bound.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.ExceptHandler) and node.name:
            bound.add(node.name)
    return bound


def invert_last(test):
    """The test with its last assert turned round, or "" when it has none."""
    last = None
    for node in ast.walk(ast.parse(test)):
        if isinstance(node, ast.Assert) and (last is None or node.lineno >= last.lineno):
            last = node
    if last is None:
        return ""
    lines = [line.encode() for line in test.split("\n")]
    end, start = last.test, last.test
    text = lines[end.end_lineno - 1]
    lines[end.end_lineno - 1] = text[:end.end_col_offset] + b"))" + text[end.end_col_offset:]
    text = lines[start.lineno - 1]
    lines[start.lineno - 1] = text[:start.col_offset] + b"(not (" + text[start.col_offset:]
    return b"\n".join(lines).decode()
