"""Decode once: fitted images in one memory-mapped file a split."""

from chexpert.data.cache.build import open_cache
from chexpert.data.cache.images import CachePart, DecodedCache

__all__ = ["CachePart", "DecodedCache", "open_cache"]
