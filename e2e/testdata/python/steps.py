"""Steps of a script, each of which the tests count: a step that raises has failed.

Prints a line of JSON for each step: its name and, where it failed, the problem.
"""

import asyncio
import json
import sys
import time
import traceback

_steps = []


def step(function):
    """Adds a coroutine function as a step; the docstring's first line is its name."""
    _steps.append(function)
    return function


def equal(got, want, what=''):
    if got != want:
        raise AssertionError(f'{what}: got {got!r}, want {want!r}')


def contains(text, *parts):
    for part in parts:
        if part not in (text or ''):
            raise AssertionError(f'{part!r} is not in {text!r}')


async def raises(kind, awaitable):
    """Awaits what must raise, and returns the exception's text."""
    try:
        got = await awaitable
    except kind as e:
        return str(e)
    raise AssertionError(f'no {kind.__name__} was raised, but {got!r} returned')


def main(context):
    async def run():
        for function in _steps:
            name = (function.__doc__ or function.__name__).strip().split('\n')[0].rstrip('.')
            began = time.monotonic()
            problem = ''
            try:
                await asyncio.wait_for(function(context), 120)
            except BaseException:
                problem = traceback.format_exc()
            print(json.dumps({'step': name, 'problem': problem, 'seconds': round(time.monotonic() - began, 3)}), flush=True)

    asyncio.run(run())
    sys.exit(0)
