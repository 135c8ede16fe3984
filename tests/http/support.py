from __future__ import annotations

from hypothesis import strategies as st

ANY_BYTES = st.binary(max_size=80)
