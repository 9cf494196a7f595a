"""Decode once: fitted films in one memory-mapped file a split."""

from chexpert.data.cache.build import open_cache
from chexpert.data.cache.films import CachePart, DecodedCache

__all__ = ["CachePart", "DecodedCache", "open_cache"]
