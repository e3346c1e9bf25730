"""Runs one task of EvalScope: evalscope_task.py CONFIG.json, the keys being TaskConfig's."""

import json
import sys

from evalscope import TaskConfig, run_task

if __name__ == '__main__':
    with open(sys.argv[1]) as f:
        run_task(TaskConfig(**json.load(f)))
