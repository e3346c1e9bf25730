"""Records what the original answers: dialogues.json from requests.json.

    pip install ms-enclave==0.0.8 fastapi uvicorn docker requests websocket-client httpx
    python record.py > dialogues.json

The application is the original; only the start of a container is left out, so
that no daemon is needed. {id} in a request is the first sandbox of the dialogue.
"""
import asyncio
import json
import pathlib
import sys

import fastapi
import httpx
import pydantic
import starlette

from ms_enclave.sandbox import create_server
from ms_enclave.sandbox.boxes import docker_notebook, docker_sandbox
from ms_enclave.sandbox.model import SandboxStatus


async def start(self):
    await self.initialize_tools()
    self.update_status(SandboxStatus.RUNNING)


docker_sandbox.DockerSandbox.start = start
docker_notebook.DockerNotebookSandbox.start = start


async def dialogue(requests, **kwargs):
    server = create_server(**kwargs)
    await server.manager.start()
    transport = httpx.ASGITransport(app=server.app, raise_app_exceptions=False)
    seen, turns = '', []
    async with httpx.AsyncClient(transport=transport, base_url='http://testserver') as client:
        for r in requests:
            path = r['path'].replace('{id}', seen)
            headers = dict(r.get('headers', {}))
            body = r.get('body')
            if 'json' in r:
                body = json.dumps(r['json'])
            if isinstance(body, str):
                body = body.replace('{id}', seen)
            if 'body_hex' in r:
                body = bytes.fromhex(r['body_hex'])
            if body is not None and 'content-type' not in headers:
                headers['content-type'] = 'application/json'
            if headers.get('content-type') == '':
                del headers['content-type']
            content = body.encode() if isinstance(body, str) else body
            answer = await client.request(r['method'], path, headers=headers, content=content)
            text = answer.text
            try:
                text = answer.json()
                if isinstance(text, dict) and 'sandbox_id' in text and not seen:
                    seen = text['sandbox_id']
            except ValueError:
                pass
            kept = {k: answer.headers[k] for k in ('allow', 'location', 'content-type') if k in answer.headers}
            turns.append({**r, 'status': answer.status_code, 'answer_headers': kept, 'answer': text})
    await server.manager.stop()
    return json.loads(json.dumps(turns).replace(seen or '\0', '{id}'))


async def main():
    here = pathlib.Path(__file__).parent
    requests = json.loads((here / 'requests.json').read_text())
    out = {'versions': {
        'ms-enclave': '0.0.8', 'fastapi': fastapi.__version__, 'starlette': starlette.__version__,
        'pydantic': pydantic.VERSION, 'python': sys.version.split()[0]}, 'dialogues': {}}
    for name, turns in requests.items():
        out['dialogues'][name] = await dialogue(turns)
    print('{"versions": %s, "dialogues": {' % json.dumps(out['versions']))
    lines = ['%s: [\n%s\n]' % (json.dumps(n), ',\n'.join(map(json.dumps, t))) for n, t in out['dialogues'].items()]
    print(',\n'.join(lines) + '}}')


asyncio.run(main())
