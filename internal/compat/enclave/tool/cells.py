# What runs cells: the inner half of a notebook kernel, for images that have no
# ipykernel. It runs in a process of its own, forked by the driver below.
import sys

# What cells leave in the working directory must not be imported here.
sys.path[:] = [p for p in sys.path if p]

import ast
import base64
import builtins
import io
import json
import linecache
import os
import re
import select
import signal
import socket
import subprocess
import time
import traceback
import types


class UsageError(Exception):
    """A magic that doesn't exist or was called wrongly."""


class StdinNotImplementedError(NotImplementedError):
    """A cell asks for input, of which there is none."""


WIDTH = 79
LONGEST = 1000  # items that are shown of a container


BRACKETS = {list: "[]", tuple: "()", set: "{}", frozenset: ("frozenset({", "})"), dict: "{}"}


def pretty(x, column=0, indent=0, tail=0, inside=()):
    """repr, with containers that don't fit on a line spread over several, as
    notebooks show them. tail is how much follows on the last line."""
    kind = type(x)
    if kind is type:
        return x.__qualname__ if x.__module__ == "builtins" else x.__module__ + "." + x.__qualname__
    if kind not in BRACKETS or len(x) == 0 or id(x) in inside:
        return repr(x) if id(x) not in inside else "..."
    start, end = BRACKETS[kind]
    items = list(x.items() if kind is dict else x)
    if kind in (set, frozenset):
        try:
            items.sort()
        except Exception:
            pass
    if kind is tuple and len(items) == 1:
        end = ",)"
    more, items = len(items) > LONGEST, items[:LONGEST]
    depth, within = indent + len(start), inside + (id(x),)
    lines = []
    for i, item in enumerate(items):
        after = len(end) + tail if i == len(items) - 1 and not more else 1
        key, at = "", depth if i else column + len(start)
        if kind is dict:
            key = pretty(item[0], at, depth, 2, within) + ": "
            item = item[1]
        lines.append(key + pretty(item, at + len(key), depth, after, within))
    if more:
        lines.append("...")
    flat = start + ", ".join(lines) + end
    if "\n" not in flat and column + len(flat) + tail <= WIDTH:
        return flat
    return start + (",\n" + " " * depth).join(lines) + end


RICH = {
    "_repr_html_": "text/html", "_repr_markdown_": "text/markdown", "_repr_svg_": "image/svg+xml",
    "_repr_png_": "image/png", "_repr_jpeg_": "image/jpeg", "_repr_pdf_": "application/pdf",
    "_repr_latex_": "text/latex", "_repr_json_": "application/json", "_repr_javascript_": "application/javascript",
}


def bundle(x):
    """All the forms in which an object can show itself, by media type."""
    forms = {}
    kind = type(x)
    if hasattr(kind, "_repr_mimebundle_") and not isinstance(x, type):
        found = x._repr_mimebundle_(include=None, exclude=None)
        forms.update(found[0] if isinstance(found, tuple) else found or {})
    for method, mime in RICH.items():
        if mime in forms or isinstance(x, type) or not callable(getattr(kind, method, None)):
            continue
        try:
            data = getattr(x, method)()
        except Exception:
            traceback.print_exc()
            continue
        if isinstance(data, tuple):
            data = data[0]
        if data is not None:
            forms[mime] = data
    for mime, data in forms.items():
        if isinstance(data, (bytes, bytearray)):
            forms[mime] = base64.b64encode(bytes(data)).decode()
    if "text/plain" not in forms:
        forms["text/plain"] = pretty(x)
    return forms


class Shell:
    """The namespace of the cells and what they find in it: get_ipython()."""

    def __init__(self):
        self.module = types.ModuleType("__main__")
        sys.modules["__main__"] = self.module
        self.user_ns = self.module.__dict__
        self.history, self.values = [""], {}
        self.user_ns.update(__builtins__=builtins, In=self.history, Out=self.values,
                            get_ipython=lambda: self, display=self.display)
        self.rich = []
        self.loop = None
        self.features = 0
        builtins.input = builtins.raw_input = self.refuse_input

    def refuse_input(self, *_):
        raise StdinNotImplementedError("raw_input was called, but this frontend does not support input requests.")

    def display(self, *objects, raw=False, **_):
        for x in objects:
            self.rich.append(dict(x) if raw else bundle(x))

    # Shell escapes and magics.

    def expand(self, text):
        def value(m):
            name = m.group(1) or m.group(2)
            return str(self.user_ns[name]) if name in self.user_ns else m.group(0)
        return re.sub(r"\{([A-Za-z_]\w*)\}|\$([A-Za-z_]\w*)", value, text)

    def system(self, command):
        flush()
        code = subprocess.call(self.expand(command), shell=True, stdin=subprocess.DEVNULL)
        self.user_ns["_exit_code"] = code

    def getoutput(self, command):
        done = subprocess.run(self.expand(command), shell=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.stdout.decode("utf-8", "replace").splitlines()

    def run_line_magic(self, name, line, *_):
        line = self.expand(line).strip()
        if name == "matplotlib":
            return None  # there is no window to open: figures are shown anyway
        if name == "pwd":
            return os.getcwd()
        if name == "cd":
            os.chdir(os.path.expanduser(line or "~"))
            print(os.getcwd())
            return None
        if name == "pip":
            return self.system(sys.executable + " -m pip " + line)
        if name == "time":
            return self.timed(line)
        raise UsageError("Line magic function `%%%s` not found." % name)

    def run_cell_magic(self, name, line, body):
        if name in ("bash", "sh"):
            flush()
            code = subprocess.run([name], input=body.encode()).returncode
            if code != 0:
                raise subprocess.CalledProcessError(code, [name])
            return None
        if name == "writefile":
            with open(line.strip(), "w") as f:
                f.write(body)
            return None
        if name == "time":
            return self.timed(body)
        raise UsageError("Cell magic `%%%%%s` not found." % name)

    def timed(self, code):
        wall, cpu = time.perf_counter(), time.process_time()
        value = self.execute(code, "<timed>")
        print("CPU times: %.3g s\nWall time: %.3g s" % (time.process_time() - cpu, time.perf_counter() - wall))
        return value

    # Running.

    def parse(self, code, name):
        """The cell's syntax tree. Lines that are no Python but a shell escape
        or a magic are put into Python, each where the parser stumbled on it."""
        magic = re.match(r"\s*%%(\w+)([^\n]*)\n?", code)
        if magic:
            code = "get_ipython().run_cell_magic(%r, %r, %r)" % (magic.group(1), magic.group(2), code[magic.end():])
        lines = code.split("\n")
        for _ in range(len(lines) + 1):
            try:
                return compile("\n".join(lines), name, "exec", self.flags() | ast.PyCF_ONLY_AST, True)
            except SyntaxError as e:
                at = (e.lineno or 0) - 1
                if not 0 <= at < len(lines) or not self.translate(lines, at):
                    raise
        raise UsageError("too many magics")

    def translate(self, lines, at):
        m = re.match(r"(\s*(?:[\w.]+\s*=\s*)?)(!!?|%)\s*(\w*)(.*)$", lines[at])
        if not m:
            return False
        before, sign, word, rest = m.groups()
        if sign == "%":
            call = "run_line_magic(%r, %r)" % (word, rest)
        elif "=" in before or sign == "!!":
            call = "getoutput(%r)" % (word + rest)
        else:
            call = "system(%r)" % (word + rest)
        lines[at] = before + "get_ipython()." + call
        return True

    def flags(self):
        return self.features | getattr(ast, "PyCF_ALLOW_TOP_LEVEL_AWAIT", 0)

    def execute(self, code, name):
        """Runs a cell and returns the value of its last expression."""
        tree = self.parse(code, name)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        self.evaluate(compile(tree, name, "exec", self.flags(), True))
        if last is None:
            return None
        value = self.evaluate(compile(ast.Expression(last.value), name, "eval", self.flags(), True))
        return None if code.rstrip().endswith(";") else value

    def evaluate(self, code):
        self.features |= code.co_flags & FEATURES
        value = eval(code, self.user_ns)
        if not code.co_flags & 0x80:  # CO_COROUTINE
            return value
        import asyncio

        if self.loop is None or self.loop.is_closed():
            self.loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self.loop)
        task = self.loop.create_task(value)
        try:
            return self.loop.run_until_complete(task)
        except KeyboardInterrupt:
            task.cancel()
            try:
                self.loop.run_until_complete(task)
            except asyncio.CancelledError:
                pass
            raise

    def run(self, code):
        """Runs a cell: the texts of its value and of its error, or None."""
        self.history.append(code)
        number = len(self.history) - 1
        name = "<cell %d>" % number
        linecache.cache[name] = (len(code), None, code.splitlines(True), name)
        try:
            value = self.execute(code, name)
            if value is None:
                return None, None
            forms = bundle(value)
            self.values[number] = value
            self.user_ns.update(_=value, __=self.user_ns.get("_"), ___=self.user_ns.get("__"))
            if set(forms) - {"text/plain"}:
                self.rich.append(forms)
            return str(forms["text/plain"]), None
        except BaseException:
            return None, explain(*sys.exc_info())


FEATURES = 0
for _name in __import__("__future__").all_feature_names:
    FEATURES |= getattr(__import__("__future__"), _name).compiler_flag


def explain(kind, error, trace):
    """The traceback, without the frames of this program."""
    if issubclass(kind, UsageError):
        return "UsageError: %s" % error
    while trace is not None and trace.tb_frame.f_code.co_filename == "<string>":
        trace = trace.tb_next
    try:
        return "".join(traceback.format_exception(kind, error, trace)).rstrip("\n")
    except Exception:
        return "%s: its traceback can't be shown" % kind.__name__


def open_streams():
    """Points sys.stdout and sys.stderr at one buffer, so that their order is
    kept. Lines are written through, as on a terminal."""
    buffer = io.BufferedWriter(io.FileIO(1, "w", closefd=False), 1 << 16)
    for name in ("stdout", "stderr"):
        stream = io.TextIOWrapper(buffer, "utf-8", "backslashreplace", line_buffering=True, write_through=True)
        setattr(sys, name, stream)
        setattr(sys, "__%s__" % name, stream)
    return buffer


def flush():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass


def serve(control, stream):
    """The kernel process: it never returns."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    for fd in (1, 2):
        os.dup2(stream, fd)
    for fd in (null, stream):
        if fd > 2:
            os.close(fd)
    sys.stdin = open(0, closefd=False)
    buffer = open_streams()
    sys.argv[:] = [""]
    sys.path.insert(0, "")
    shell, me = Shell(), os.getpid()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=flush)
    requests = control.makefile("rb")
    while True:
        request = json.loads(requests.readline().decode())
        shell.rich = []
        result = error = None
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            try:
                result, error = shell.run(request["code"])
            finally:
                signal.signal(signal.SIGINT, signal.SIG_IGN)
        except KeyboardInterrupt:
            error = error or "KeyboardInterrupt"
        if os.getpid() != me:
            os._exit(0)  # a fork that a cell made and forgot
        flush()
        try:
            buffer.flush()
        except Exception:
            pass
        if buffer.closed or sys.stdout is None:
            buffer = open_streams()
        control.sendall(message(request["id"], result, error, shell.rich))


def message(ident, result, error, rich):
    """What the driver is told of a cell, within what it takes."""
    room = CONFIG["max_output"]
    cut = [s if s is None or len(s) <= room // 8 else s[: room // 8] for s in (result, error)]
    truncated, kept = cut != [result, error], []
    for forms in rich:
        try:
            forms = {str(k): v for k, v in forms.items()}
            size = len(json.dumps(forms, allow_nan=False))
        except Exception:
            truncated = True
            continue
        if size > room:
            truncated = True
            continue
        room -= size
        kept.append(forms)
    return json.dumps({"id": ident, "result": cut[0], "error": cut[1], "rich": kept,
                       "truncated": truncated}).encode() + b"\n"
