"""One level of parallelism: linear algebra keeps to one thread where trees, or nobody, may have the others.

The products that nuisances need are small and many. On two threads they wait for one another by turning: on a busy
machine that took four times the processor time of one thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any


@cache
def _controller() -> Any:
    import scipy.linalg  # noqa: F401 - brings a BLAS of its own, which is to be found below
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@contextmanager
def one_thread() -> Iterator[None]:
    """Within it BLAS has one thread; after it as many as before. Also a decorator.

    Examples
    --------
    >>> with one_thread():
    ...     pass
    """
    with _controller().limit(limits=1, user_api="blas"):
        yield
