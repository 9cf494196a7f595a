"""Peak memory of explaining by LIME on this machine: it must not grow with the samples, and large models must fit."""

import multiprocessing
import sys

from rounds import parse, write

from chexpert.console import open_streams

SIX = "densenet121,densenet169,densenet201,mnasnet_100,vgg19,vgg19_bn"  # conf/model/combined_six.yaml


def explain(names: str, size: int, samples: int) -> float:
    """Peak MiB of a process that builds a model, combined where several are named, and explains one image."""
    import resource  # Windows has none

    import torch

    from chexpert.explain import Lime
    from chexpert.models import Backbone, Combined, Single

    members = {name: Backbone(name) for name in names.split(",")}
    model = Combined(members, 5) if len(members) > 1 else Single(members[names], 5)
    image = torch.randint(60, 200, (1, size, size), dtype=torch.uint8)
    Lime(samples=samples)(model, image[None], [[0, 1, 2]])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)


def main() -> None:
    given = parse(__doc__, backbone="resnet10t", size=224, few=500, many=5000, samples=50)
    cases = [(given.backbone, given.size, given.few), (given.backbone, given.size, given.many)]
    cases += [("efficientnet_b5", 456, given.samples), (SIX, 224, given.samples)]
    found = []
    for case in cases:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            found.append(pool.apply(explain, case))
        print(f"  {case[0].replace(',', ' + ')} at {case[1]} px, {case[2]} samples: peak {found[-1]:.0f} MiB")
    print(
        f"  {given.many} samples over {given.few}: {found[1] / found[0]:.3f} times, goal 1.1; large models: 3,072 MiB"
    )
    write(
        given.json,
        {f"{names}, {size}, {samples}": mib for (names, size, samples), mib in zip(cases, found, strict=True)},
    )


if __name__ == "__main__":
    open_streams()
    main()
