"""What operators see and do over HTTP: a page with figures and entries, and an API that takes back."""

from importlib.util import find_spec

if find_spec("starlette") is None:
    raise ImportError('the operator\'s page needs an extra: pip install "asgi-accelerator[ops]"')

from accelerator.ops.app import OpsApp
from accelerator.ops.purge import Purge

__all__ = ["OpsApp", "Purge"]
