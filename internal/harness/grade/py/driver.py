# The driver: what stands beside the answer in its own process.
#
# It loads the answer as the module `answer`, makes the planned calls and writes
# what came back. It holds no check and no expected value, so nothing that the
# answer reads or changes here can turn a wrong answer into a right one; all an
# answer can do is to spoil its own data.
#
# Payload (after boot.py's part): boundary (16 bytes), then three fields, each
# with its length before it: how ("calls" or "token"), the program, and the
# plan, which is a sequence of encoded calls, each with its length before it.
#
# Reply on stdout, in chunks so small that a pipe takes each whole, whatever
# other threads print: boundary, two bytes of length, the bytes. Joined, they
# are four bytes of length, one of kind, a body:
#   A  answers: status (v value, e exception, x not plain), value, post-state
#   L  the program could not be loaded: exception name, NUL, message
#   S  it is not Python: as L           Q  it ended itself while loading
#   T  too large
#   K  the token, W a check failed: in a run judged in process
#
# Codec names (Encoder, decode, …) come from codec.py, compiled together.
import builtins
import os
import sys

MAX_REPLY = 16 << 20
CHUNK = 4000


def _fields(data, at, count):
    for _ in range(count):
        end = at + 4 + int.from_bytes(data[at:at + 4], "big")
        yield data[at + 4:end]
        at = end


class _Reply:
    """The way out, taken before the answer runs.

    It keeps a descriptor of its own, so an answer may close or redirect
    stdout, and speaks for this process only, not for forks of it.
    """

    def __init__(self, boundary):
        self.boundary = boundary
        self.pid = os.getpid()
        self.fd = os.dup(1)
        self.write = os.write
        self.getpid = os.getpid
        self.exit = os._exit

    def send(self, kind, body):
        if self.getpid() != self.pid:
            self.exit(0)
        data = _n(len(body)) + kind + body
        for at in range(0, len(data), CHUNK):
            part = data[at:at + CHUNK]
            self._all(self.boundary + len(part).to_bytes(2, "big") + part)

    def _all(self, data):
        fd = self.fd
        while data:
            try:
                data = data[self.write(fd, data):]
            except OSError:
                if fd == 1:
                    return
                fd = 1


def _describe(error):
    """An exception as text: its name, a builtin one it derives from, message."""
    kind = type(error)
    base = "Exception"
    for candidate in type.__dict__["__mro__"].__get__(kind):
        if candidate.__module__ == "builtins":
            base = candidate.__name__
            break
    try:
        message = str(error)[:500]
        if type(message) is not str:
            message = ""
    except BaseException:
        message = ""
    return kind.__name__[:100], base, message


def _show(error, skip):
    """The traceback on stderr, from the answer's own frames on."""
    trace = error.__traceback__
    for _ in range(skip):
        trace = trace.tb_next if trace is not None else None
    try:
        sys.__excepthook__(type(error), error, trace)
    except BaseException:
        pass


class _Session:
    """Makes the planned calls; results[i] is what call i gave, as itself."""

    def __init__(self, module):
        self.module = module
        self.results = []
        self.handles = []
        self.numbers = {}
        self.left = MAX_REPLY
        self.shown = False

    def opaque(self, x):
        number = self.numbers.get(id(x))
        if number is None:
            number = self.numbers[id(x)] = len(self.handles)
            self.handles.append(x)
        name = type(x).__name__.encode("utf-8", "replace")[:100]
        return b"o" + _n(number) + _n(len(name)) + name

    def special(self, tag, number, name):
        return self.results[number] if tag == b"=" else self.handles[number]

    def encode(self, x):
        if sys.getrecursionlimit() < 3000:
            sys.setrecursionlimit(3000)
        writer = Encoder(self.opaque, self.left)
        writer.put(x)
        return writer.bytes()

    def step(self, entry):
        """One call: status, value, the arguments' state where it changed."""
        result, status, args, post = None, b"v", None, b""
        try:
            call = decode(entry, self.special)
            kind, target, args, names = call
            if type(target) is str:
                target = _look_up(self.module, target)
            result = _OPS[kind](target, args, names)
        except TooLarge:
            raise
        except BaseException as error:
            if not self.shown:
                self.shown = True
                _show(error, 2)
            status, value = b"e", self.encode(_describe(error))
        else:
            try:
                value = self.encode(result)
            except TooLarge:
                raise
            except BaseException as error:
                status, value = b"x", self.encode(_describe(error))
        self.results.append(result)
        if args or names:
            post = self.changed(call, entry)
        return status + _n(len(value)) + value + _n(len(post)) + post

    def changed(self, call, entry):
        """The arguments as they are now, or nothing where they are as before.

        They are the end of an encoded call, so writing them again and looking
        at that end tells.
        """
        try:
            now = self.encode((call[2], call[3]))
        except TooLarge:
            raise
        except BaseException:
            return b""
        return b"" if entry.endswith(now[5:]) else now


def _look_up(module, name):
    space = module.__dict__
    if name in space:
        return space[name]
    if hasattr(builtins, name):
        return getattr(builtins, name)
    raise NameError("name %r is not defined" % name)


def _listed(x, _args, _names):
    """Everything that iterating gives, up to a bound."""
    found = []
    for item in x:
        found.append(item)
        if len(found) > 1000000:
            raise TooLarge("answer too large")
    return found


_OPS = {
    "c": lambda x, args, names: x(*args, **names),
    "g": lambda x, args, names: x,
    "a": lambda x, args, names: getattr(x, args[0]),
    "i": lambda x, args, names: x[args[0]],
    "l": lambda x, args, names: len(x),
    "t": _listed,
    "n": lambda x, args, names: next(x),
    "s": lambda x, args, names: str(x),
    "r": lambda x, args, names: repr(x),
    "A": lambda x, args, names: setattr(x, args[0], args[1]),
    "D": lambda x, args, names: delattr(x, args[0]),
    "I": lambda x, args, names: x.__setitem__(args[0], args[1]),
    "J": lambda x, args, names: x.__delitem__(args[0]),
}


def _load(program):
    """The answer as a module with a file of its own, in the work directory."""
    path = os.path.join(os.getcwd(), "answer.py")
    try:
        with open(path, "wb") as file:
            file.write(program)
    except OSError:
        pass
    sys.argv[:] = [path]
    sys.path[0] = os.getcwd()
    module = type(sys)("answer")
    module.__file__ = path
    sys.modules["answer"] = module
    return module, path


def run(data):
    how, program, plan = _fields(data, 16, 3)
    reply = _Reply(data[:16])
    module, path = _load(program)
    try:
        code = compile(program, path, "exec", 0, True)
    except BaseException as error:
        _show(error, 1)
        name, base, message = _describe(error)
        reply.send(b"S", (name + "\0" + message).encode("utf-8", "replace"))
        return
    try:
        exec(code, module.__dict__)
    except BaseException as error:
        name, base, message = _describe(error)
        if base != "SystemExit":
            _show(error, 1)
        reply.send(b"Q" if base == "SystemExit" else b"L", (name + "\0" + message).encode("utf-8", "replace"))
        return
    if how == b"token":
        return _in_process(reply, module, plan)
    _answer(reply, module, plan)


def _answer(reply, module, plan):
    session = _Session(module)
    answers, at = [], 0
    try:
        while at < len(plan):
            end = at + 4 + int.from_bytes(plan[at:at + 4], "big")
            answer = session.step(plan[at + 4:end])
            answers.append(answer)
            session.left -= len(answer)
            at = end
    except TooLarge:
        return reply.send(b"T", b"")
    reply.send(b"A", b"".join(answers))


def _in_process(reply, module, plan):
    """The form for tests that only make sense beside the answer.

    The token is written after the last check. That the answer could find it
    in memory and write it itself is why such a pass is called in_process.
    """
    token, test = _fields(plan, 0, 2)
    try:
        exec(compile(test, "<test>", "exec", 0, True), module.__dict__)
    except AssertionError:
        return reply.send(b"W", b"")
    except BaseException as error:
        _show(error, 1)
        name, base, message = _describe(error)
        return reply.send(b"L", (name + "\0" + message).encode("utf-8", "replace"))
    reply.send(b"K", token)
