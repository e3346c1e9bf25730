"""A server that wants a key, seen by the Python client: key.py URL KEY."""

import sys

import aiohttp
from ms_enclave.sandbox.manager import HttpSandboxManager
from ms_enclave.sandbox.model import ExecutionStatus, SandboxType

from steps import equal, main, raises, step

CONFIG = {'tools_config': ['shell_executor']}


@step
async def right(c):
    """the right key"""
    url, key = c
    async with HttpSandboxManager(base_url=url, api_key=key) as manager:
        equal((await manager.health_check())['healthy'], True)
        box = await manager.create_sandbox(SandboxType.DOCKER, CONFIG)
        result = await manager.execute_tool(box, 'shell_executor', {'command': 'echo in'})
        equal((result.status, result.output), (ExecutionStatus.SUCCESS, 'in\n'))


@step
async def query(c):
    """the right key in the query"""
    url, key = c
    async with aiohttp.ClientSession() as session:
        async with session.get(f'{url}/sandboxes', params={'api_key': key}) as response:
            equal((response.status, await response.json()), (200, []))


@step
async def wrong(c):
    """no key and a wrong one"""
    url, key = c
    for other in (None, 'wrong', key + 'x', key[:-1]):
        async with HttpSandboxManager(base_url=url, api_key=other) as manager:
            equal((await manager.health_check())['healthy'], False)
            await raises(RuntimeError, manager.create_sandbox(SandboxType.DOCKER, CONFIG))
            await raises(RuntimeError, manager.execute_tool('nosuchid', 'shell_executor', {'command': 'echo in'}))


if __name__ == '__main__':
    main((sys.argv[1], sys.argv[2]))
