"""Re-classification: what a classifier sees in coloured pictures."""

import pytest
import torch

from workbench.data.pictures import decode_square
from workbench.data.sources import Item
from workbench.evaluation import entrants
from workbench.evaluation.evaluate import evaluate
from workbench.evaluation.reader import Reader, class_of
from workbench.samples import SAMPLES


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader()


def test_a_class_is_found_by_any_of_its_names():
    assert class_of("tabby") == class_of("Tabby cat") == 281
    assert class_of("English springer") == 217
    assert class_of("no such thing") is None
    assert class_of(None) is None


def test_the_truth_agrees_with_itself_and_labels_count_on_imagenet_like_sets_alone(reader):
    cat = SAMPLES["chelsea"].path.read_bytes()
    items = [Item("cat", cat, "Egyptian cat"), Item("mistaken", cat, "garbage truck"),
             Item("unknown", cat, "my cat")]  # fmt: skip
    field = entrants.baselines()
    rows = list(evaluate(field, items, "imagenette", sizes=(128,), reader=reader))
    truth = {row.picture: row for row in rows if row.model == "truth"}
    assert {row.agreement for row in truth.values()} == {1.0}
    assert truth["mistaken"].top1 == 0.0
    assert truth["unknown"].top1 is None
    assert truth["cat"].top1 in (0.0, 1.0)
    elsewhere = list(evaluate(field, items, "coco", sizes=(128,), reader=reader))
    assert all(row.top1 is None and row.agreement is not None for row in elsewhere)
    without = list(evaluate(field, items, "coco", sizes=(128,)))
    assert all(row.agreement is None for row in without)


def test_an_upside_down_world_is_seen_otherwise_and_features_are_1280(reader):
    rgb = torch.from_numpy(decode_square(SAMPLES["chelsea"].path.read_bytes(), 128)[0])[None]
    noise = torch.randint(0, 255, rgb.shape, generator=torch.manual_seed(0)).to(torch.uint8)
    found = reader.measure(noise, reader.classify(rgb), ["tabby"], "coco")
    assert found == {"agreement": [0.0]}
    assert reader.features(rgb).shape == (1, 1280)
