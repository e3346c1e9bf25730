# The same for what a shell can't leave: shared memory, queues, keys, modules.
import ctypes
import os
import sys

libc = ctypes.CDLL(None, use_errno=True)
KEY, CREATE = 0xCA4A, 0o1000 | 0o600


def found(what):
    print('found:', what)


for kind, get in (('shm', lambda flags: libc.shmget(KEY, 4096, flags)), ('msg', lambda flags: libc.msgget(KEY, flags)),
                  ('sem', lambda flags: libc.semget(KEY, 1, flags))):
    if get(0) >= 0:
        found('sysv ' + kind)
    get(CREATE)
# Queues of messages outlive their makers like files.
if libc.mq_open(b'/cupel-canary', os.O_RDWR) >= 0:
    found('a message queue')
libc.mq_open(b'/cupel-canary', os.O_RDWR | os.O_CREAT, 0o600, None)
# Keys of the user's keyring outlive processes too: add_key and keyctl(KEYCTL_SEARCH).
USER_KEYRING = -4
if libc.syscall(250, 10, USER_KEYRING, b'user', b'cupel-canary', 0) >= 0:
    found('a key')
libc.syscall(248, b'user', b'cupel-canary', b'x', ctypes.c_size_t(1), USER_KEYRING)
if os.path.exists('/dev/shm/sem.cupel-canary'):
    found('a semaphore')
open('/dev/shm/sem.cupel-canary', 'w').close()
for place in {*sys.path, sys.prefix, os.path.dirname(os.__file__)}:
    for name in ('usercustomize.py', 'cupel_canary.py', 'cupel-canary.pth'):
        file = os.path.join(place, name)
        try:
            if os.path.exists(file):
                found(file)
            with open(file, 'w') as f:
                f.write('print("cupel-canary")\n')
        except OSError:
            pass
try:
    import cupel_canary_from_the_one_before

    found('a module')
except ImportError:
    pass
os.environ['CUPEL_CANARY'] = '1'
if os.fork() == 0:  # one that nobody waits for
    os.setsid()
    for fd in (0, 1, 2):
        os.close(fd)
    while True:
        libc.pause()
print('done', N)
