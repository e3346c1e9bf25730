"""What a user of ms-enclave does with its Python client: client.py URL SECOND_IMAGE [original] [other-user].

The server's default image is a small Debian with Python; SECOND_IMAGE is another
one, which has a program called cupel-second-image. The last words say that the server is the original, and that it is another
user's.
"""

import asyncio
import os
import sys
import tempfile

from ms_enclave.sandbox.manager import HttpSandboxManager, SandboxManagerFactory
from ms_enclave.sandbox.model import DockerNotebookConfig, DockerSandboxConfig, ExecutionStatus, SandboxStatus, SandboxType

from steps import contains, equal, main, raises, step

TOOLS = ['python_executor', 'shell_executor', 'file_operation', 'multi_code_executor']


class Context:
    def __init__(self, url, second_image, *what):
        self.url = url
        self.second_image = second_image
        self.original = 'original' in what
        self.other_user = 'other-user' in what
        self.manager = None
        self.box = None

    async def tool(self, name, **parameters):
        return await self.manager.execute_tool(self.box, name, parameters)


def ok(result, output, error=None):
    equal((result.status, result.output, result.error), (ExecutionStatus.SUCCESS, output, error))


@step
async def health(c):
    """health"""
    c.manager = SandboxManagerFactory.create_manager(base_url=c.url, timeout=60)
    assert isinstance(c.manager, HttpSandboxManager)
    await c.manager.start()
    health = await c.manager.health_check()
    equal((health['healthy'], health['version'], health['active_sandboxes']), (True, '1.0.0', 0))
    assert health['uptime'] >= 0


@step
async def create(c):
    """create, list, info"""
    config = DockerSandboxConfig(tools_config=TOOLS, env_vars={'GREETING': 'hi'}, working_dir='/sandbox')
    c.box = await c.manager.create_sandbox(SandboxType.DOCKER, config)
    info = await c.manager.get_sandbox_info(c.box)
    equal((info.id, info.status, info.type), (c.box, SandboxStatus.RUNNING, 'docker'))
    equal(info.config['image'], 'python:3.11-slim')
    equal(info.config['env_vars'], {'GREETING': 'hi'})
    equal(sorted(info.available_tools), sorted(TOOLS))
    assert info.created_at <= info.updated_at
    equal([i.id for i in await c.manager.list_sandboxes()], [c.box])
    equal([i.id for i in await c.manager.list_sandboxes(SandboxStatus.RUNNING)], [c.box])
    equal([i.id for i in await c.manager.list_sandboxes(SandboxStatus.STOPPED)], [])
    equal(await c.manager.get_sandbox_info('nosuchid'), None)


@step
async def tools(c):
    """tools"""
    tools = await c.manager.get_sandbox_tools(c.box)
    equal(sorted(tools), sorted(TOOLS))
    for name, schema in tools.items():
        equal((schema['type'], schema['function']['name']), ('function', name))
        equal(schema['function']['parameters']['type'], 'object')
    contains(await raises(ValueError, c.manager.get_sandbox_tools('nosuchid')), 'nosuchid not found')


@step
async def python(c):
    """python_executor"""
    ok(await c.tool('python_executor', code='print(6 * 7)'), '42\n')
    ok(await c.tool('python_executor', code='import os; print(os.environ["GREETING"], os.getcwd())'), 'hi /sandbox\n')
    r = await c.tool('python_executor', code='import sys; print("o"); print("e", file=sys.stderr)')
    ok(r, 'o\n', 'e\n')
    equal((r.tool_name, r.success), ('python_executor', True))
    r = await c.tool('python_executor', code='print("before"); 1 / 0')
    equal((r.status, r.output), (ExecutionStatus.ERROR, 'before\n'))
    contains(r.error, 'Traceback', 'ZeroDivisionError: division by zero')
    r = await c.tool('python_executor', code='while True: pass', timeout=1)
    equal((r.status, r.error), (ExecutionStatus.TIMEOUT, 'Command timed out after 1 seconds'))
    ok(await c.tool('python_executor', code='print("日本語 é")'), '日本語 é\n')
    r = await c.tool('python_executor', code='')
    equal((r.status, r.error), (ExecutionStatus.ERROR, 'No code provided'))
    ok(await c.tool('python_executor', code='import re\nprint(len("x" * 100000))\n#' + 'y' * 200000), '100000\n')


@step
async def shell(c):
    """shell_executor"""
    ok(await c.tool('shell_executor', command='echo a; echo b >&2; echo c | tr c d'), 'a\nd\n', 'b\n')
    ok(await c.tool('shell_executor', command=['printf', '%s|', 'x y', '$HOME']), 'x y|$HOME|')
    r = await c.tool('shell_executor', command='exit 3')
    equal((r.status, r.error), (ExecutionStatus.ERROR, 'Command failed with exit code 3'))
    r = await c.tool('shell_executor', command='echo early; sleep 30', timeout=1)
    equal((r.status, r.output, r.error), (ExecutionStatus.TIMEOUT, 'early\n', 'Command timed out after 1 seconds'))


@step
async def files(c):
    """file_operation: create, write, read, list, exists, delete"""

    async def op(operation, path, **more):
        return await c.tool('file_operation', operation=operation, file_path=path, **more)

    ok(await op('create', '/tmp/files/new'), 'File written successfully: /tmp/files/new')
    ok(await op('read', '/tmp/files/new'), '')
    ok(await op('write', '/tmp/files/new', content='text é\n'), 'File written successfully: /tmp/files/new')
    ok(await op('read', '/tmp/files/new'), 'text é\n')
    r = await op('list', '/tmp/files')
    equal(r.status, ExecutionStatus.SUCCESS)
    equal(r.output.split()[-1], 'new')
    ok(await op('exists', '/tmp/files/new'), 'exists')
    ok(await op('delete', '/tmp/files'), 'Successfully deleted: /tmp/files')
    ok(await op('exists', '/tmp/files/new'), 'does not exist')
    equal((await op('read', '/tmp/files/new')).status, ExecutionStatus.ERROR)


@step
async def code(c):
    """multi_code_executor"""
    ok(await c.tool('multi_code_executor', language='python', code='print(1 + 1)'), '2\n')
    ok(await c.tool('multi_code_executor', language='bash', code='a=(1 2 3); echo ${#a[@]}'), '3\n')
    ok(await c.tool('multi_code_executor', language='perl', code='print 6 * 7;'), '42')
    ok(
        await c.tool(
            'multi_code_executor', language='python', code='import other; print(other.x)', files={'other.py': 'x = 9'}
        ), '9\n'
    )
    r = await c.tool('multi_code_executor', language='python', code='while True: pass', run_timeout=1)
    equal(r.status, ExecutionStatus.TIMEOUT)
    r = await c.tool('multi_code_executor', language='cobol', code='x')
    equal((r.status, r.error), (ExecutionStatus.ERROR, 'Unsupported language: cobol'))


@step
async def wrong(c):
    """what is not there"""
    contains(await raises(ValueError, c.manager.execute_tool('nosuchid', 'python_executor', {'code': '1'})), 'nosuchid not found')
    contains(await raises(ValueError, c.tool('nosuchtool')), 'Tool nosuchtool is not available')
    equal(await c.manager.stop_sandbox('nosuchid'), False)
    equal(await c.manager.delete_sandbox('nosuchid'), False)
    contains(await raises(ValueError, c.manager.execute_tool_in_pool('python_executor', {'code': '1'})), 'initialize_pool')


@step
async def archive(c):
    """put_dir and put_archive"""
    with tempfile.TemporaryDirectory() as folder:
        os.makedirs(os.path.join(folder, 'package'))
        for name, text in (('package/__init__.py', 'value = 5\n'), ('main.py', 'import package; print(package.value)\n')):
            with open(os.path.join(folder, name), 'w') as f:
                f.write(text)
        equal(await c.manager.put_dir(c.box, folder, '/tmp/project'), True)
    ok(await c.tool('shell_executor', command='cd /tmp/project && python3 main.py'), '5\n')
    await raises(ValueError, c.manager.put_archive('nosuchid', '/tmp', b'x'))


@step
async def notebook(c):
    """notebook_executor"""
    if c.original:
        return  # its image is made by a build that needs a registry
    # The client's default image for it is mapped like any other.
    box = await c.manager.create_sandbox(SandboxType.DOCKER_NOTEBOOK, DockerNotebookConfig(tools_config=['notebook_executor', 'shell_executor']))

    async def cell(code, **more):
        return await c.manager.execute_tool(box, 'notebook_executor', {'code': code, **more})

    ok(await cell('x = 20'), '')
    ok(await cell('x + 1'), '\nResult: 21')
    ok(await cell('print("seen", x)\nx * 2'), 'seen 20\n\nResult: 40')
    r = await cell('print("before"); 1 / 0')
    equal(r.status, ExecutionStatus.ERROR)
    contains(r.error, 'before', 'ZeroDivisionError', 'division by zero')
    r = await cell('import time\nwhile True: time.sleep(0.1)', timeout=2)
    equal(r.status, ExecutionStatus.TIMEOUT)
    contains(r.error, 'Execution timed out after 2 seconds')
    ok(await cell('x + 2'), '\nResult: 22')
    ok(await cell('def f(n):\n    return n + x\nf(1)'), '\nResult: 21')
    r = await cell('')
    equal((r.status, r.error), (ExecutionStatus.ERROR, 'No code provided'))
    ok(await c.manager.execute_tool(box, 'shell_executor', {'command': 'echo beside'}), 'beside\n')
    equal(await c.manager.delete_sandbox(box), True)


@step
async def pool(c):
    """a pool and 200 calls at once"""
    ids = await c.manager.initialize_pool(4, SandboxType.DOCKER, DockerSandboxConfig(tools_config=TOOLS))
    equal(len(set(ids)), 4)
    results = await asyncio.gather(
        *(c.manager.execute_tool_in_pool('python_executor', {'code': f'print({i} * {i})'}) for i in range(200))
    )
    for i, r in enumerate(results):
        ok(r, f'{i * i}\n')
    r = await c.manager.execute_tool_in_pool('python_executor', {'code': 'while True: pass', 'timeout': 1})
    equal(r.status, ExecutionStatus.TIMEOUT)
    contains(await raises(ValueError, c.manager.execute_tool_in_pool('nosuchtool', {})), 'Tool nosuchtool is not available')
    # The client's own get_stats fails while it tracks a sandbox.
    async with HttpSandboxManager(base_url=c.url) as other:
        stats = await other.get_stats()
    equal((stats['total_sandboxes'], stats['sandbox_types'], stats['running']), (5, {'docker': 5}, True))


async def which(url, image, word):
    """Asks a pool of an image, from many tasks at once, which image it has."""
    async with HttpSandboxManager(base_url=url) as manager:
        await manager.initialize_pool(2, SandboxType.DOCKER, DockerSandboxConfig(image=image, tools_config=['shell_executor']))
        await asyncio.sleep(0.5)  # until the other's pool is there
        command = 'command -v cupel-second-image >/dev/null && echo second || echo first'
        ask = [manager.execute_tool_in_pool('shell_executor', {'command': command}) for _ in range(20)]
        for result in await asyncio.gather(*ask):
            ok(result, word + '\n')


@step
async def two_images(c):
    """two clients with two images get their own"""
    if c.original:
        return  # it has one pool for all
    both = (('python:3.11-slim', 'first'), (c.second_image, 'second'))
    if not c.other_user:  # whose processes the server can't tell apart
        processes = [
            await asyncio.create_subprocess_exec(sys.executable, '-B', __file__, 'which', c.url, *one) for one in both
        ]
        equal([await p.wait() for p in processes], [0, 0], 'two processes')
    # In one process: by the cookie, which the client keeps for names of hosts; or by a name in the path.
    by_name = c.url.replace('127.0.0.1', 'localhost')
    await asyncio.gather(*(which(by_name, *one) for one in both))
    await asyncio.gather(*(which(f'{c.url}/pools/{one[1]}', *one) for one in both))


@step
async def stop(c):
    """stop and delete"""
    equal(await c.manager.stop_sandbox(c.box), True)
    equal((await c.manager.get_sandbox_info(c.box)).status, SandboxStatus.STOPPED)
    contains(await raises(ValueError, c.tool('python_executor', code='1')), 'is not active')
    equal([i.id for i in await c.manager.list_sandboxes(SandboxStatus.STOPPED)], [c.box])
    equal(await c.manager.delete_sandbox(c.box), True)
    equal(await c.manager.delete_sandbox(c.box), False)
    equal(await c.manager.get_sandbox_info(c.box), None)


@step
async def leave(c):
    """leaving the context deletes the manager's sandboxes"""
    await c.manager.stop()
    async with HttpSandboxManager(base_url=c.url) as manager:
        equal(await manager.list_sandboxes(), [])
        box = await manager.create_sandbox(SandboxType.DOCKER, {'tools_config': {'shell_executor': {}}})
        ok(await manager.execute_tool(box, 'shell_executor', {'command': 'echo last'}), 'last\n')
    async with HttpSandboxManager(base_url=c.url) as manager:
        equal(await manager.list_sandboxes(), [])
        equal((await manager.get_stats())['total_sandboxes'], 0)


if __name__ == '__main__':
    if sys.argv[1] == 'which':
        asyncio.run(which(*sys.argv[2:]))
        sys.exit(0)
    main(Context(*sys.argv[1:]))
