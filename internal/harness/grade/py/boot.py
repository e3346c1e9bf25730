# The command line of every candidate run: python3 -c <this>, payload on stdin.
#
# The payload is read to its end and stdin then made empty, so that one Exec
# carries everything, on every engine. The driver comes compiled for the
# interpreter that the grader runs; another one compiles the source.
import marshal, os, sys


def _boot():
    parts = []
    while True:
        part = os.read(0, 1 << 20)
        if not part:
            break
        parts.append(part)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    if null:
        os.close(null)
    data = b"".join(parts)
    fields, at = [], 0
    for _ in range(3):
        end = at + 4 + int.from_bytes(data[at:at + 4], "big")
        fields.append(data[at + 4:end])
        at = end
    version, code, source = fields
    if version == sys.version.encode():
        code = marshal.loads(code)
    else:
        code = compile(source, "<cupel>", "exec")
    space = {"__name__": "_cupel_driver", "__builtins__": __builtins__}
    exec(code, space)
    return space["run"], data[at:]


_run, _data = _boot()
del _boot
_run(_data)
