"""A train.csv with the structure of CheXpert's own. No row of it is real; every total that was published is met.

Exact: images, studies, patients, view files, AP/PA/LL/RL, views per study, the 14 labels by image and by study, the
five of the frontal images, Sex, Age 0 and 90, the largest patient, the six patients without a frontal image, the joint
counts in `JOINT`, No Finding without a positive or uncertain pathology, one set of labels a study. Not imitated: images
per AIMI batch, the ages between, the other correlations.

    python tests/helpers/real_csv.py OUT    # writes OUT/CheXpert-v1.0-small/train.csv
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from chexpert.data.sources.published_counts import PUBLISHED
from chexpert.observations import COMPETITION, OBSERVATIONS, STATES

TRAIN = PUBLISHED["train"]
POSITIVE, UNCERTAIN, NEGATIVE, BLANK = range(4)
SPELLING = np.array(["1.0", "-1.0", "0.0", ""])
KINDS = {"F": 153_631, "L": 16, "FF": 2_540, "FL": 29_675, "FFF": 41, "FFL": 780, "FLL": 958}
"""Studies by the kinds of their views: the only split of the published view files, but for FLF in place of FFF."""
JOINT = {
    "five blank": 25_342,
    "all blank": 12,
    "five uncertain": 64_085,
    "uncertain": 85_056,
    "Cardiomegaly 1, Enlarged Cardiomediastinum 1": 1_901,
    "Cardiomegaly 1, Enlarged Cardiomediastinum -1": 311,
    "Cardiomegaly 1, Enlarged Cardiomediastinum 0": 172,
    "Edema 1, Lung Opacity 1": 27_455,
    "Pneumonia 1, Consolidation 0": 528,
}
"""Published counts of images over several observations."""
INDEX = {name: i for i, name in enumerate(OBSERVATIONS)}
FIVE = [INDEX[name] for name in COMPETITION]
LARGEST, UNKNOWN, NEWBORN = 4_711, 33_093, (64_538, 64_539, 64_540)  # patients; the first one's number is made up


def write_real_csv(root: Path, seed: int = 0) -> Path:
    """Writes CheXpert-v1.0-small/train.csv under `root`: 223,414 rows, the same for the same seed."""
    path = root / "CheXpert-v1.0-small" / "train.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    header = ",".join(["Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *OBSERVATIONS])
    path.write_text("\n".join([header, *sample_rows(np.random.default_rng(seed))]) + "\n")
    return path


def sample_rows(rng: np.random.Generator) -> Iterator[str]:
    """The data lines, patients in order and the studies of each in none."""
    kind, labels = sample_studies(rng)
    patient, order = sample_owners(rng, kind)
    kind, labels = kind[order], labels[order]
    study = _number_within(patient)
    rows = rng.permutation(len(kind))
    rows = rows[np.argsort(patient[rows], kind="stable")]
    images = np.array([len(name) for name in KINDS])[kind]
    sex, age = sample_sex(rng, patient, images), sample_age(rng, patient, images)
    projection = iter(sample_projection(rng))
    names, spelled = list(KINDS), SPELLING[labels].tolist()
    for i in rows:
        tail = ",".join(spelled[i])
        for view, letter in enumerate(names[kind[i]], start=1):
            word, detail = ("Frontal", next(projection)) if letter == "F" else ("Lateral", "")
            place = f"train/patient{patient[i]:05d}/study{study[i]}/view{view}_{word.lower()}.jpg"
            yield f"CheXpert-v1.0-small/{place},{sex[i]},{age[i]},{word},{detail},{tail}"


def sample_studies(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Kind of every study, (N,), and its labels as indices of STATES, (N, 14)."""
    margins = np.stack([spread_labels(name) for name in OBSERVATIONS], 1)  # (7 kinds, 14, 4)
    left, made = dict(JOINT), {}
    for i, (kind, count) in reversed(list(enumerate(KINDS.items()))):  # F, of one image, takes what is left
        goals = left if kind == "F" else _share_out(margins[i], count)
        made[i] = sample_labels(rng, count, margins[i], goals)
        left = {name: left[name] - len(kind) * goals[name] for name in left}
    return np.repeat(np.arange(7), list(KINDS.values())), np.concatenate([made[i] for i in range(7)])


def spread_labels(name: str) -> np.ndarray:
    """Studies by kind and state, (7, 4), as proportional as the totals of images, studies and frontals allow."""
    counts = np.array(list(KINDS.values()))
    images = np.array([len(kind) for kind in KINDS])
    frontals = np.array([kind.count("F") for kind in KINDS])
    totals = {"labels": images, "labels_by_study": np.ones(7)}
    if name in COMPETITION:
        totals["labels_of_frontals"] = frontals
    by_study = np.array([TRAIN["labels_by_study"][name][state] for state in STATES])
    fair = counts[:, None] * by_study / counts.sum()
    rows, values = [np.kron(np.eye(7), np.ones(4))], [counts]
    for key, weights in totals.items():
        rows.append(np.kron(weights, np.eye(4)))
        values.append(np.array([TRAIN[key][name][state] for state in STATES]))
    equal = np.hstack([np.concatenate(rows), np.zeros((len(np.concatenate(values)), 1))])
    near = np.hstack([np.eye(28), fair.reshape(-1, 1)])  # |n - fair| <= t * fair + 1
    far = np.hstack([np.eye(28), -fair.reshape(-1, 1)])
    found = milp(
        np.append(np.zeros(28), 1),
        integrality=np.append(np.ones(28), 0),
        bounds=Bounds(0, np.inf),
        constraints=[
            LinearConstraint(equal, np.concatenate(values), np.concatenate(values)),
            LinearConstraint(near, fair.ravel() - 1, np.inf),
            LinearConstraint(far, -np.inf, fair.ravel() + 1),
        ],
        options={"mip_rel_gap": 0.05},
    )
    assert found.success, f"{name}: {found.message}"
    return np.rint(found.x[:28]).astype(int).reshape(7, 4)


def _share_out(margins: np.ndarray, count: int) -> dict[str, int]:
    """About what falls to a kind of study of each joint count."""
    total = TRAIN["images"]
    most = {name: round(JOINT[name] * count / total) for name in JOINT}
    uncertain = margins[:, UNCERTAIN]
    positive = {name: margins[INDEX[name], POSITIVE] for name in OBSERVATIONS}
    five, other = uncertain[FIVE], np.delete(uncertain, FIVE)
    most["all blank"] = 0
    most["five blank"] = min(most["five blank"], int(margins[FIVE, BLANK].min()) // 2)
    most["five uncertain"] = int(np.clip(most["five uncertain"], five.max(), five.sum()))
    least = max(most["five uncertain"], other.max())
    most["uncertain"] = int(np.clip(most["uncertain"], least, most["five uncertain"] + other.sum()))
    for name in list(JOINT)[4:]:
        first, state = name.split(", ")[0][:-2], name.rsplit(" ", 1)[1]
        second = name.split(", ")[1].rsplit(" ", 1)[0]
        share = JOINT[name] / TRAIN["labels"][first]["positive"]
        allowed = margins[INDEX[second], {"1": POSITIVE, "-1": UNCERTAIN, "0": NEGATIVE}[state]]
        most[name] = int(min(share * positive[first], allowed))
    return most


def sample_labels(rng: np.random.Generator, count: int, margins: np.ndarray, goals: dict[str, int]) -> np.ndarray:
    """Labels of one kind of study, (count, 14): the margins (14, 4) and the joint counts are met exactly.

    The studies lie in blocks: No Finding | all blank | five blank | five uncertain | the rest. A label is then given
    where it may be, first where a block still needs one.
    """
    labels = np.full((count, 14), BLANK)
    place = np.arange(count)
    clear = margins[0, POSITIVE]
    clear_blank = min(clear, round(0.3 * goals["five blank"]))
    empty = clear + goals["all blank"]
    silent = clear + goals["five blank"] - clear_blank
    doubt = silent + goals["five uncertain"]
    assert doubt <= count, "the blocks do not fit"
    in_clear, in_empty = place < clear, (place >= clear) & (place < empty)
    in_silent = (place < clear_blank) | ((place >= clear) & (place < silent))
    in_doubt = (place >= silent) & (place < doubt)
    labels[in_clear, 0] = POSITIVE

    def give(name: int | str, state: int, where: np.ndarray, first: np.ndarray | None = None, n: int = -1) -> None:
        """Gives `n` studies (or all that are left by the margin) a state, at random in `where`, in `first` before."""
        column = labels[:, INDEX[name] if isinstance(name, str) else name]
        left = margins[INDEX[name] if isinstance(name, str) else name, state] - (column == state).sum()
        n = left if n < 0 else n
        free = where & (column == BLANK)
        wanted = rng.random(count) - (0 if first is None else first) + 9 * ~free
        assert 0 <= n <= min(left, free.sum()), (name, STATES[state], n, left, int(free.sum()))
        column[np.argpartition(wanted, n - 1)[:n] if n else []] = state

    def is_bare(where: np.ndarray, columns: list[int] | slice = slice(None)) -> np.ndarray:
        return where & (labels[:, columns] == BLANK).all(1)

    for name in FIVE:
        give(name, UNCERTAIN, in_doubt, is_bare(in_doubt))
    reported = ~in_silent
    for name in FIVE:
        give(name, POSITIVE, reported & ~in_clear, is_bare(reported & ~in_clear, FIVE))
    for name in FIVE:
        give(name, NEGATIVE, reported, is_bare(reported, FIVE))

    extra = np.zeros(count, bool)
    elsewhere = np.flatnonzero(~in_clear & ~in_empty & ~in_doubt)
    extra[rng.permutation(elsewhere)[: goals["uncertain"] - goals["five uncertain"]]] = True
    unsure, open_ = in_doubt | extra, ~in_clear & ~in_empty
    large = labels[:, INDEX["Cardiomegaly"]] == POSITIVE
    wide = "Enlarged Cardiomediastinum"
    give(wide, UNCERTAIN, unsure & large, n=goals[f"Cardiomegaly 1, {wide} -1"])
    give(wide, UNCERTAIN, unsure & ~large, extra & (labels != UNCERTAIN).all(1))
    for name in [i for i in range(1, 14) if i not in FIVE and i != INDEX[wide]]:
        give(name, UNCERTAIN, unsure, extra & (labels != UNCERTAIN).all(1))
    give(wide, POSITIVE, open_ & large, n=goals[f"Cardiomegaly 1, {wide} 1"])
    give(wide, POSITIVE, open_ & ~large)
    give(wide, NEGATIVE, open_ & large, n=goals[f"Cardiomegaly 1, {wide} 0"])
    give(wide, NEGATIVE, ~in_empty & ~large)
    edema = labels[:, INDEX["Edema"]] == POSITIVE
    give("Lung Opacity", POSITIVE, open_ & edema, n=goals["Edema 1, Lung Opacity 1"])
    give("Lung Opacity", POSITIVE, open_ & ~edema, is_bare(open_))
    solid = labels[:, INDEX["Consolidation"]] == NEGATIVE
    give("Pneumonia", POSITIVE, open_ & solid, n=goals["Pneumonia 1, Consolidation 0"])
    give("Pneumonia", POSITIVE, open_ & ~solid)
    give("Support Devices", POSITIVE, ~in_empty, is_bare(open_))
    for name in range(14):
        give(name, POSITIVE, open_)
        give(name, NEGATIVE, ~in_empty, is_bare(open_))
    assert (labels == UNCERTAIN).any(1).sum() == goals["uncertain"]
    return labels[rng.permutation(count)]


def sample_owners(rng: np.random.Generator, kind: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Patient of every study, ascending, and the studies (indices into `kind`) in that order."""
    count, frontal, lateral = TRAIN["patients"], np.flatnonzero(kind == 0), np.flatnonzero(kind == 1)
    rng.shuffle(frontal)
    alone = np.array([UNKNOWN, *NEWBORN])
    weight = rng.gamma(0.35, size=count)
    weight[np.append(alone, LARGEST) - 1] = 0
    studies = 1 + rng.multinomial(len(kind) - count - 91, weight / weight.sum())
    studies[LARGEST - 1] = 92
    patient = np.repeat(np.arange(1, count + 1), studies)
    first = np.cumsum(studies) - studies
    order = np.full(len(kind), -1)
    singles = np.setdiff1d(np.flatnonzero(studies == 1) + 1, alone)
    several = np.setdiff1d(np.flatnonzero(studies > 1) + 1, LARGEST)
    order[first[rng.permutation(singles)[:6] - 1]] = lateral[:6]  # six patients without a frontal image
    order[first[rng.permutation(several)[:10] - 1]] = lateral[6:]
    fixed = np.append(first[alone - 1], first[LARGEST - 1] + np.arange(92))
    order[fixed] = frontal[: len(fixed)]
    order[order < 0] = rng.permutation(np.setdiff1d(np.arange(len(kind)), order))
    return patient, order


def sample_sex(rng: np.random.Generator, patient: np.ndarray, images: np.ndarray) -> np.ndarray:
    weight = np.bincount(patient, images).astype(int)[1:]
    fixed = np.array([UNKNOWN, *NEWBORN])
    some = rng.permutation(np.setdiff1d(np.arange(1, len(weight) + 1), fixed))
    sex = np.full(len(weight) + 1, "Female", dtype=object)
    sex[some[_choose(weight[some - 1], TRAIN["sex"]["Male"])]] = "Male"
    sex[UNKNOWN] = "Unknown"
    return sex[patient]


def sample_age(rng: np.random.Generator, patient: np.ndarray, images: np.ndarray) -> np.ndarray:
    age = rng.integers(18, 90, len(patient))
    some = rng.permutation(np.flatnonzero(~np.isin(patient, NEWBORN)))
    age[some[_choose(images[some], TRAIN["age"]["at_90"])]] = 90
    age[np.isin(patient, NEWBORN)] = 0
    return age


def sample_projection(rng: np.random.Generator) -> list[str]:
    views = TRAIN["views"]
    words = [word for word in ("AP", "PA", "LL", "RL") for _ in range(views[f"frontal_{word.lower()}"])]
    return rng.permutation(words).tolist()


def _choose(weight: np.ndarray, total: int) -> np.ndarray:
    """Indices whose weights add up to `total`: the first ones, and as many of weight 1 as then lack."""
    head = int(np.searchsorted(np.cumsum(weight), total, side="right"))
    lack = total - weight[:head].sum()
    return np.append(np.arange(head), head + np.flatnonzero(weight[head:] == 1)[:lack])


def _number_within(patient: np.ndarray) -> np.ndarray:
    """1, 2, ... for the studies of each patient of an ascending array."""
    start = np.flatnonzero(np.diff(patient, prepend=0))
    return np.arange(len(patient)) - np.repeat(start, np.diff(np.append(start, len(patient)))) + 1


if __name__ == "__main__":
    print(write_real_csv(Path(sys.argv[1])))
