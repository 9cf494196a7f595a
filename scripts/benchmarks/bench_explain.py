"""Speed of explaining on this machine against the packages grad-cam and lime; for memory bench_explain_memory.py."""

from rounds import parse, ratios, spread, take_turns, write

from chexpert.console import open_streams

# What is compared: the goal for the ratio of the first to the second, under a name.
GOALS = {
    "Grad-CAM, times as fast as grad-cam": ("grad-cam, once an observation", "Grad-CAM", "6 or more"),
    "Grad-CAM over a bare forward pass": ("Grad-CAM", "forward pass", "1.25 or less"),
    "LIME without model, times as fast as lime": ("lime, model for free", "LIME, model for free", "10 or more"),
}


def main() -> None:
    given = parse(__doc__, backbone="densenet121", size=224, batch=4, samples=1000)
    from explainers import make_cams, make_limes  # after the parsing, so that --help is quick

    cases = make_cams(given.backbone, given.size, given.batch) | make_limes(given.size, given.samples)
    seconds = take_turns(cases, given.rounds)
    print(f"{given.backbone} at {given.size} px, {given.batch} images, {given.samples} samples: ms [min .. max]")
    for name, values in seconds.items():
        print(f"  {name:<44} {spread([1000 * value for value in values])}")
    found = {name: ratios(seconds, over, under) for name, (over, under, _) in GOALS.items()}
    for name, values in found.items():
        print(f"  {name:<44} {spread(values, 2)}, goal {GOALS[name][2]}")
    write(given.json, {"backbone": given.backbone, "size": given.size, "seconds": seconds, "ratios": found})


if __name__ == "__main__":
    open_streams()
    main()
