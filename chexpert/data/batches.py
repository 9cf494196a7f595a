"""How the views of an epoch are cut into batches, and these shared out to the processes that train one model."""


def joins_last(views: int, batch_size: int) -> bool:
    """Whether one view is left over behind whole batches, and another batch is there that it can join.

    >>> joins_last(17, 16), joins_last(18, 16), joins_last(1, 16), joins_last(3, 1)
    (True, False, False, False)
    """
    return views > batch_size > 1 and views % batch_size == 1


def count_batches(views: int, batch_size: int, *, training: bool) -> int:
    """Batches of an epoch; the last may be smaller, or in training larger by a view that is left over.

    >>> [count_batches(17, 16, training=training) for training in (True, False)]
    [1, 2]
    """
    return -(-views // batch_size) - (training and joins_last(views, batch_size))


def find_smallest_share(views: int, batch_size: int, world: int, batches: int | None = None) -> int:
    """The fewest views that one of ``world`` processes gets in a step of training, of so many ``batches`` an epoch.

    A process for which none is left takes a stand-in, so there is always one.

    >>> find_smallest_share(18, 16, 1), find_smallest_share(18, 16, 2), find_smallest_share(18, 16, 2, batches=1)
    (2, 1, 8)
    """
    there = count_batches(views, batch_size, training=True)
    batches = there if batches is None else batches
    sizes = [batch_size] * (min(batches, there - 1) > 0) + [views - (there - 1) * batch_size] * (batches >= there)
    return max(1, min(sizes) // world)
