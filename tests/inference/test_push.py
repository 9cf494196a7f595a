"""Models on the Hub, by a stand-in of it on this machine: sent, loaded again, and refused where they are not to be
trusted."""

import json
import shutil
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
import torch
import yaml
from helpers.errors import raises
from helpers.hub_server import TOKEN, serving, sha256
from helpers.shared_model import CARD, METADATA, make_shared_run
from PIL import Image
from safetensors.torch import load_file

import chexpert
from chexpert.checkpoints.hub import LIMITS
from chexpert.cli.main import import_command, make_parser
from chexpert.conf_folder import find_conf
from chexpert.errors import UserError
from chexpert.explain.quality.cost import hash_weights
from chexpert.gate import Gate, write_gate
from chexpert.gate.feature_distance import fit_distance
from chexpert.gate.view_check import fit_view_check
from chexpert.inference.explain import explain_run
from chexpert.inference.exported.metadata import make_metadata
from chexpert.inference.predict import predict
from chexpert.inference.push import push_run, set_license
from chexpert.serve.served_model import ServedModel
from chexpert.weights.hub_name import HubName, parse_hub_name

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # the Hub's library, of httpx
NAME = "clinic/tiny"
IMAGES = (torch.arange(2 * 32 * 32).reshape(2, 1, 32, 32) * 7 % 256).to(torch.uint8)


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    return make_shared_run(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture
def run(template, tmp_path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "run"))


@pytest.fixture
def hub(tmp_path, monkeypatch):
    constants = huggingface_hub.constants
    with serving() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.address)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no_token"))
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)  # which is sent to the Hub itself
        yield server


def compute_logits(path) -> torch.Tensor:
    with torch.no_grad():
        return chexpert.load(path).model(IMAGES)


def list_content(run: Path) -> dict[str, bytes]:
    """The files of a repository as push sends them."""
    return {
        name: own if isinstance(own, bytes) else own.read_bytes()
        for name, own in push_run(run, NAME, dry_run=True).files.items()
    }


def add_gate(run: Path, method: str = "mahalanobis") -> None:
    rng, patients = np.random.default_rng(0), [f"patient{n}" for n in range(40)]
    view = fit_view_check(rng.normal(size=(40, 16, 16)), patients, np.zeros((0, 16, 16)), [], seed=0)
    distance = fit_distance(method, rng.normal(size=(40, 6)), patients, np.zeros((0, 6)), seed=0)
    weights = hash_weights(chexpert.load(run / "checkpoints/best.safetensors").model)
    write_gate(run / "gate.safetensors", Gate(weights, view, distance, {"images": 40}))


def test_round_trip_is_equal_to_the_last_digit(hub, run, tmp_path):
    pushed = push_run(run, NAME)
    repository = hub.repositories[NAME]
    assert set(repository.files) == {".gitattributes", "README.md", "best.safetensors", "best.json"}
    assert repository.files["README.md"] == CARD.encode()
    assert (repository.private, repository.branches["main"]) == (True, pushed.commit)
    name = f"hf:{NAME}@{pushed.commit}"
    own, loaded = chexpert.load(run / "checkpoints/best.safetensors"), chexpert.load(name)
    for key, value in own.model.state_dict().items():
        assert torch.equal(value, loaded.model.state_dict()[key])
    assert torch.equal(compute_logits(run / "checkpoints/best.safetensors"), compute_logits(name))
    assert (loaded.observations, loaded.preprocessing, loaded.fitted) == (
        own.observations, own.preprocessing, own.fitted
    )  # fmt: skip
    folder = tmp_path / "images"
    folder.mkdir()
    for n in range(2):
        Image.fromarray(np.random.default_rng(n).integers(0, 256, (80, 64), dtype=np.uint8)).save(folder / f"{n}.png")
    options = {"ids": "path", "gate": "off", "calibrated": True, "num_workers": 0, "observations": "all"}
    predict(run / "checkpoints/best.safetensors", [folder], tmp_path / "own.csv", **options)
    predict(Path(name), [folder], tmp_path / "hub.csv", **options)
    assert (tmp_path / "own.csv").read_bytes() == (tmp_path / "hub.csv").read_bytes()


def test_gate_comes_along(hub, run):
    add_gate(run)
    push_run(run, NAME)
    assert hub.repositories[NAME].files["gate.safetensors"] == (run / "gate.safetensors").read_bytes()
    found = chexpert.load(f"hf:{NAME}").source
    assert (Path(found).parent / "gate.safetensors").read_bytes() == (run / "gate.safetensors").read_bytes()


def test_gate_with_features_of_single_images_stays(hub, run):
    add_gate(run, "knn")
    pushed = push_run(run, NAME)
    assert "gate.safetensors" not in pushed.files
    assert any("gate.safetensors is left out" in note for note in pushed.notes)
    assert "gate.safetensors" not in hub.repositories[NAME].files


def test_gate_that_is_no_more_is_removed_from_the_repository(hub, run):
    add_gate(run)
    push_run(run, NAME)
    (run / "gate.safetensors").unlink()
    push_run(run, NAME)
    assert "gate.safetensors" not in hub.repositories[NAME].files


def test_dry_run_sends_nothing_and_needs_no_token(hub, run, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    pushed = push_run(run, NAME, dry_run=True)
    assert (pushed.commit, hub.requests) == (None, [])
    assert set(pushed.sizes()) == {"README.md", "best.safetensors", "best.json"}
    stored = json.loads(pushed.files["best.json"])
    assert stored.pop("sha256") == {"best.safetensors": sha256((run / "checkpoints/best.safetensors").read_bytes())}
    assert stored == METADATA


def test_license_stands_in_the_header(hub, run):
    push_run(run, NAME, license_id="cc-by-nc-4.0", public=True)
    repository = hub.repositories[NAME]
    assert repository.files["README.md"].startswith(b"---\nlicense: cc-by-nc-4.0\n")
    assert not repository.private


def test_commit_that_is_in_the_cache_needs_no_network(hub, run, monkeypatch):
    commit = push_run(run, NAME).commit
    logits = compute_logits(f"hf:{NAME}@{commit}")
    hub.requests.clear()
    assert torch.equal(compute_logits(f"hf:{NAME}@{commit}"), logits)
    assert hub.requests == []
    compute_logits(f"hf:{NAME}")  # the cache notes the commit of main
    hub.requests.clear()
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert torch.equal(compute_logits(f"hf:{NAME}"), logits)
    assert hub.requests == []


def test_branch_without_a_network_is_that_of_the_cache(hub, run, monkeypatch, caplog):
    commit = push_run(run, NAME).commit
    logits = compute_logits(f"hf:{NAME}")
    assert commit in caplog.text
    caplog.clear()
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert torch.equal(compute_logits(f"hf:{NAME}"), logits)
    assert "from the cache" in caplog.text
    with raises("download", "hf:clinic/other"):
        chexpert.load("hf:clinic/other")


def test_revision_is_kept_when_the_branch_moves(hub, run, tmp_path):
    first = push_run(run, NAME).commit
    logits = compute_logits(f"hf:{NAME}")
    other = make_shared_run(tmp_path / "other", seed=1)
    with raises("not-empty", f"hf:{NAME}"):
        push_run(other, NAME)
    assert hub.repositories[NAME].branches["main"] == first
    second = push_run(other, NAME, overwrite=True).commit
    assert not torch.equal(compute_logits(f"hf:{NAME}"), logits)
    assert torch.equal(compute_logits(f"hf:{NAME}@{first}"), logits)
    assert torch.equal(compute_logits(f"hf:{NAME}@{second}"), compute_logits(f"hf:{NAME}@main"))


def test_branch_is_made(hub, run):
    push_run(run, NAME, revision="trial")
    branches = hub.repositories[NAME].branches
    assert "best.json" not in hub.repositories[NAME].files
    assert "best.json" in hub.repositories[NAME].commits[branches["trial"]]
    compute_logits(f"hf:{NAME}@trial")


def test_same_model_is_sent_again_without_overwrite(hub, run):
    push_run(run, NAME)
    (run / "MODEL_CARD.md").write_text(CARD + "More.\n")
    push_run(run, NAME)
    assert hub.repositories[NAME].files["README.md"].endswith(b"More.\n")


@pytest.mark.parametrize("private", [True, False])
def test_who_can_read_a_repository_is_not_changed(hub, run, private):
    hub.add(NAME, {}, private=private)
    with raises("conflict", f"hf:{NAME}"):
        push_run(run, NAME, public=private)
    assert hub.repositories[NAME].files == {}


@pytest.mark.parametrize(
    "name", ["tiny", "clinic/", "/tiny", "clinic/../x", "a/b/c", "clinic/ti ny", "clinic/tiny@main", "-x/y", "é/a"]
)
def test_name_that_is_none(hub, run, name):
    with raises("value"):
        push_run(run, name)
    assert hub.requests == []


def test_no_token(hub, run, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    with raises("no-access", f"hf:{NAME}"):
        push_run(run, NAME)
    assert hub.requests == []


def test_token_without_the_right(hub, run, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_another")
    with raises("no-access", f"hf:{NAME}"):
        push_run(run, NAME)


@pytest.mark.parametrize(
    ("file", "code"), [("MODEL_CARD.md", "missing-file"), ("checkpoints/best.safetensors", "missing-file")]
)
def test_missing_file(hub, run, file, code):
    (run / file).unlink()
    with raises(code, run / file):
        push_run(run, NAME)
    assert hub.requests == []


@pytest.mark.parametrize("license_id", ["", "MIT ", "my license", "../x", "a\nb: c"])
def test_license_that_is_none(hub, run, license_id):
    with raises("value", "--license"):
        push_run(run, NAME, license_id=license_id)


def test_setting_that_names_a_file_does_not_leave(hub, run):
    path = run / "checkpoints/best.json"
    content = json.loads(path.read_text())
    content["config"]["model"]["backbone"]["options"] = {"weights": "/home/jdoe/DOE.pt"}
    path.write_text(json.dumps(content))
    with raises("conflict", path):
        push_run(run, NAME)
    assert hub.requests == []


def test_non_commercial_license_has_to_be_accepted(hub, tmp_path):
    run = make_shared_run(tmp_path / "nc", pretrained="cxformer-b")
    with raises("license", run):
        push_run(run, NAME)
    assert hub.requests == []
    push_run(run, NAME, accept_non_commercial=True)
    assert NAME in hub.repositories


def test_license_that_is_not_known_is_noted(hub, tmp_path):
    run = make_shared_run(tmp_path / "file", pretrained="weights.pt")
    assert any("a file of weights" in note for note in push_run(run, NAME, dry_run=True).notes)


# repositories that are not to be trusted


@pytest.mark.parametrize("name", ["../../evil.json", "/etc/passwd", "a/../../b", "..\\evil", "best.json/../../x"])
def test_name_that_leads_out_is_refused(hub, run, name):
    hub.add(NAME, list_content(run) | {name: b"x"})
    with raises("outside-root", f"hf:{NAME}"):
        chexpert.load(f"hf:{NAME}")
    assert not any("resolve" in request for request in hub.requests)


@pytest.mark.parametrize("file", ["pytorch_model.bin", "best.ckpt", "model.pt"])
def test_pickle_is_refused(hub, file):
    hub.add(NAME, {"best.json": json.dumps(METADATA).encode(), file: b"\x80\x04."})
    with raises("not-a-checkpoint", f"hf:{NAME}") as error:
        chexpert.load(f"hf:{NAME}")
    assert file in error.value.message


def test_pickle_by_the_name_of_safetensors_is_refused(hub, run):
    content = list_content(run)
    torch.save(load_file(run / "checkpoints/best.safetensors"), run / "pickled")
    pickled = (run / "pickled").read_bytes()
    digests = {"sha256": {"best.safetensors": sha256(pickled)}}
    hub.add(NAME, content | {"best.safetensors": pickled, "best.json": json.dumps(METADATA | digests).encode()})
    with raises("not-a-checkpoint"):
        chexpert.load(f"hf:{NAME}")


@pytest.mark.parametrize("file", ["best.json", "best.safetensors"])
@pytest.mark.parametrize("size", [None, 0, -1, "larger"])
def test_size_is_checked_before_anything_is_downloaded(hub, run, file, size):
    repository = hub.add(NAME, list_content(run))
    repository.listed[file] = {"size": LIMITS[file] + 1 if size == "larger" else size}
    with raises("file-size", f"hf:{NAME}"):
        chexpert.load(f"hf:{NAME}")
    assert not any("resolve" in request for request in hub.requests)


def test_file_that_is_larger_than_it_was_listed_is_refused(hub, run, monkeypatch):
    repository = hub.add(NAME, list_content(run))
    monkeypatch.setitem(LIMITS, "best.json", len(repository.files["best.json"]))
    repository.served["best.json"] = repository.files["best.json"] + b" "
    with raises("file-size", f"hf:{NAME}"):
        chexpert.load(f"hf:{NAME}")


@pytest.mark.parametrize("file", ["best.json", "best.safetensors"])
def test_content_of_another_digest_than_listed_is_refused(hub, run, file):
    repository = hub.add(NAME, list_content(run))
    repository.served[file] = repository.files[file][:-1] + b" "  # of the same size
    with raises("damaged-file", f"hf:{NAME}"):
        chexpert.load(f"hf:{NAME}")


def test_weights_of_another_digest_than_best_json_promises_are_refused(hub, run, tmp_path):
    other = list_content(make_shared_run(tmp_path / "other", seed=1))
    hub.add(NAME, list_content(run) | {"best.safetensors": other["best.safetensors"]})
    with raises("damaged-file", f"hf:{NAME}"):
        chexpert.load(f"hf:{NAME}")


def test_weights_that_were_changed_in_the_cache_are_refused(hub, run):
    commit = push_run(run, NAME).commit
    path = Path(chexpert.load(f"hf:{NAME}@{commit}").source).resolve()
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with raises("damaged-file", f"hf:{NAME}@{commit}"):
        chexpert.load(f"hf:{NAME}@{commit}")


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"sha256": 3}', b"\xff", b"[" * 100_000])
def test_best_json_without_digests_is_refused(hub, run, content):
    hub.add(NAME, list_content(run) | {"best.json": content or b" "})
    with raises("not-a-checkpoint", f"hf:{NAME}"):
        chexpert.load(f"hf:{NAME}")


@pytest.mark.parametrize("target", ["os.system", "builtins.eval", "torch.load", "chexpert.models.Single.__init__"])
def test_target_that_is_not_on_the_list_is_refused(hub, run, target):
    content = list_content(run)
    stored = json.loads(content["best.json"])
    stored["config"]["model"]["_target_"] = target
    hub.add(NAME, content | {"best.json": json.dumps(stored).encode()})
    with pytest.raises(chexpert.UserError) as caught:
        chexpert.load(f"hf:{NAME}")
    assert caught.value.code in ("untrusted-target", "unknown-target")


def test_repository_that_is_not_there(hub):
    with raises("missing-file", "hf:clinic/none"):
        chexpert.load("hf:clinic/none")


def test_revision_that_is_not_there(hub, run):
    push_run(run, NAME)
    with raises("missing-file", f"hf:{NAME}@v2"):
        chexpert.load(f"hf:{NAME}@v2")


def test_private_repository_without_a_token(hub, run, monkeypatch):
    push_run(run, NAME)
    monkeypatch.delenv("HF_TOKEN")
    with raises("missing-file", f"hf:{NAME}") as error:
        chexpert.load(f"hf:{NAME}")
    assert "HF_TOKEN" in error.value.hint


def test_gated_repository(hub, run):
    hub.add(NAME, list_content(run), gated=True, private=False)
    with raises("no-access", f"hf:{NAME}"):
        chexpert.load(f"hf:{NAME}")


def test_images_are_explained_and_data_of_the_training_are_not_there(hub, run, tmp_path):
    name = Path(f"hf:{NAME}@{push_run(run, NAME).commit}")
    image = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (80, 64), dtype=np.uint8)).save(image)
    folder, failures = explain_run(name, [str(image)], ["gradcam"], find_conf(), out=tmp_path / "maps")
    assert not failures
    assert [*folder.glob("gradcam/*/*.png")]
    with raises("missing-run"):
        explain_run(name, [], ["gradcam"], find_conf(), out=tmp_path / "more")


def test_explanations_of_a_repository_need_a_folder(hub, tmp_path):
    with raises("missing-argument", f"hf:{NAME}"):
        explain_run(Path(f"hf:{NAME}"), ["a.png"], ["gradcam"], tmp_path)


@pytest.mark.parametrize("text", ["hf:a", "hf:a/b@", "hf:a/../b", "hf:a/b@../x", "hf:a/b@-x", "hf-hub:a/b@x y", "hf:"])
def test_text_that_begins_like_a_repository_and_is_none(text):
    with raises("value", text):
        parse_hub_name(text)


def test_names():
    assert parse_hub_name(Path("hf:a/b@refs/pr/1")) == HubName("a/b", "refs/pr/1")
    assert parse_hub_name("hf-hub:a/b") == HubName("a/b")
    assert parse_hub_name("outputs/hf/run") is None


def test_private_is_the_default_of_the_command():
    parser = make_parser("push")
    assert not parser.parse_args(["RUN", NAME]).public
    assert parser.parse_args(["RUN", NAME, "--public"]).public


@pytest.mark.parametrize("mark", ["\n", "\r\n"])
def test_license_is_set_in_any_header(mark):
    card = mark.join(["---", "tags: [a]", "license: other", "---", "", "Text"])
    head, _, body = set_license(card, "mit").removeprefix("---\n").partition("---\n")
    assert yaml.safe_load(head) == {"tags": ["a"], "license": "mit"}
    assert body == "\nText"
    assert set_license("---\ntags: [a]\n---\nText", "mit").count("license: mit") == 1


@pytest.mark.parametrize("card", ["Text", "---\nlicense: other\nText", "---\n- a\n---\nText", "---\n[\n---\n"])
def test_card_without_a_header_gets_no_license(hub, run, card):
    (run / "MODEL_CARD.md").write_text(card)
    with raises("damaged-file", run / "MODEL_CARD.md"):
        push_run(run, NAME, license_id="mit")


@pytest.mark.parametrize(
    "more",
    [
        {"training_data": {"layout": "/home/jdoe"}},
        {"note": "of ~jdoe"},
        {"made_of": {"kind": "soup", "members": [{"name": "ward3", "weights": "ab"}]}},
        {"made_of": {"kind": "distilled", "teachers": [{"name": "runs/a", "weights": "ab"}]}},
    ],
)
def test_no_entry_of_best_json_names_a_place_or_a_run(hub, run, more):
    path = run / "checkpoints/best.json"
    path.write_text(json.dumps(METADATA | more))
    with raises("conflict", path):
        push_run(run, NAME)
    assert hub.requests == []


def test_license_of_a_teacher_has_to_be_accepted(hub, run):
    teacher = {"name": "teacher 1", "weights": "ab", "licenses": [
        {"weights": "cxformer-b", "license": "CC BY-NC 4.0", "non_commercial": True}]}  # fmt: skip
    content = METADATA | {"made_of": {"kind": "distilled", "teachers": [teacher]}}
    (run / "checkpoints/best.json").write_text(json.dumps(content))
    with raises("license", run):
        push_run(run, NAME)
    push_run(run, NAME, accept_non_commercial=True)


def write_images(folder: Path, count: int) -> Path:
    folder.mkdir()
    for n in range(count):
        Image.fromarray(np.random.default_rng(n).integers(0, 256, (80, 64), dtype=np.uint8)).save(folder / f"{n}.png")
    return folder


def test_model_of_the_hub_is_exported_as_the_own_one(hub, run, tmp_path, monkeypatch):
    """The command hands the verified weights on; making the graph takes minutes, and has its own tests."""
    pushed, given = push_run(run, NAME), []

    def capture(*arguments):
        given.extend(arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr("chexpert.inference.exported.export.export_run", capture)
    words = [f"hf:{NAME}@{pushed.commit}", str(tmp_path / "out"), "--to", "pt2"]
    with pytest.raises(KeyboardInterrupt):
        import_command("export").run(make_parser("export").parse_args(words))
    local, own = given[0], run / "checkpoints/best.safetensors"
    assert given[1] == tmp_path / "out"
    assert local.read_bytes() == own.read_bytes()
    found, expected = (make_metadata(path, chexpert.load(path)) for path in (local, own))
    assert found["calibration"]
    assert found == expected
    assert str(tmp_path) not in json.dumps(found)


def test_model_of_the_hub_is_served_as_the_own_one(hub, run, tmp_path):
    pushed = push_run(run, NAME)
    content = (write_images(tmp_path / "images", 1) / "0.png").read_bytes()
    name = f"hf:{NAME}@{pushed.commit}"
    own, served = ServedModel(run / "checkpoints/best.safetensors"), ServedModel(Path(name))
    assert served.title == name
    shown, of_own = served.describe(), own.describe()
    assert str(tmp_path) not in json.dumps(shown)  # the cache's place
    for key in ("observations", "rules", "calibrated", "gate", "methods"):
        assert shown[key] == of_own[key], key
    assert served.predict(content) == own.predict(content)
    with pytest.raises(UserError):  # nobody has its training images here
        served.compare(served.read_accepted(content))


@pytest.mark.parametrize("command", ["export", "serve"])
def test_repository_that_is_not_there_is_one_message(hub, tmp_path, command):
    name, out = "hf:clinic/none", tmp_path / "out"
    words = [name, str(out)] if command == "export" else [name, "--port", "0"]
    with raises("missing-file", name):
        import_command(command).run(make_parser(command).parse_args(words))
    assert not out.exists()
