"""Tells schemathesis how to make an archive: any bytes, since most of what is sent is wrong anyway."""

import schemathesis
from hypothesis import strategies

schemathesis.openapi.media_type('application/x-tar', strategies.binary())
