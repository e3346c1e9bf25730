"""Calls a second through the published Python client: throughput.py URL KIND SECONDS CONCURRENCY.

KIND is pooled (python_executor in a pool), fresh (create, execute, delete) or alone (pooled, one after the other).
Prints a line of JSON.
"""

import asyncio
import json
import logging
import sys
import time

from ms_enclave.sandbox.manager import HttpSandboxManager
from ms_enclave.sandbox.model import DockerSandboxConfig, ExecutionStatus, SandboxType

CONFIG = DockerSandboxConfig(tools_config=['python_executor', 'shell_executor'], network_enabled=False)
CODE = {'code': 'print(6 * 7)'}


async def main(url, kind, seconds, concurrency):
    async with HttpSandboxManager(base_url=url) as manager:
        if kind != 'fresh':
            await manager.initialize_pool(concurrency, SandboxType.DOCKER, CONFIG)

        async def once():
            if kind != 'fresh':
                return await manager.execute_tool_in_pool('python_executor', CODE)
            box = await manager.create_sandbox(SandboxType.DOCKER, CONFIG)
            try:
                return await manager.execute_tool(box, 'python_executor', CODE)
            finally:
                await manager.delete_sandbox(box)

        done = wrong = 0
        end = began = time.monotonic()

        async def client():
            nonlocal done, wrong, end
            while time.monotonic() - began < seconds:
                result = await once()
                wrong += result.status != ExecutionStatus.SUCCESS or result.output != '42\n'
                done += 1
                end = time.monotonic()

        await once()
        began = time.monotonic()
        await asyncio.gather(*(client() for _ in range(concurrency)))
        print(json.dumps({'calls': done, 'wrong': wrong, 'seconds': end - began}))


if __name__ == '__main__':
    logging.disable(logging.WARNING)
    asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])))
