"""What uvicorn runs beside `python -m accelerator gateway`: the gateway alone, without a cache."""

from __future__ import annotations

import os

from accelerator.gateway import Gateway

app = Gateway(os.environ["ORIGIN"])
