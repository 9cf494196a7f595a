"""The training loop of the original notebooks (ooodmt/MLMIP), rewritten plainly: what bench_run.py compares with.

Float32, batches of 8 color images by Pillow, no loader processes, a loss that is read at every step.
"""

import argparse
from pathlib import Path

from chexpert.console import open_streams

COLUMNS = ["Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion"]
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def train(root: Path, backbone: str, epochs: int) -> None:
    import numpy as np
    import pandas as pd
    import timm
    import torch
    from PIL import Image
    from sklearn.metrics import roc_auc_score
    from torch.utils.data import DataLoader, Dataset
    from torchvision import transforms

    end = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    moves = [transforms.Resize(256), transforms.RandomCrop(224), transforms.RandomRotation(7)]
    ways = {
        "train": transforms.Compose([*moves, *end]),
        "valid": transforms.Compose([transforms.Resize((224, 224)), *end]),
    }

    class Radiographs(Dataset):
        def __init__(self, split: str) -> None:
            table = pd.read_csv(next(root.glob(f"*/{split}.csv")))
            table = table[table["Frontal/Lateral"] == "Frontal"]
            labels, self.way = table[COLUMNS].fillna(0).to_numpy("float32"), ways[split]
            sampled = np.random.default_rng(0).uniform(0.55, 0.85, labels.shape)
            self.labels, self.paths = np.where(labels == -1, sampled, labels).astype("float32"), list(table["Path"])

        def __len__(self) -> int:
            return len(self.paths)

        def __getitem__(self, row: int) -> tuple:
            return self.way(Image.open(root / self.paths[row]).convert("RGB")), self.labels[row]

    radiographs = {split: Radiographs(split) for split in ways}
    model, loss_of = timm.create_model(backbone, num_classes=len(COLUMNS)), torch.nn.BCEWithLogitsLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    for epoch in range(epochs):
        model.train()
        total = 0.0
        for images, labels in DataLoader(radiographs["train"], batch_size=8, shuffle=True):
            optimizer.zero_grad()
            loss = loss_of(model(images), labels)
            loss.backward()
            optimizer.step()
            total += loss.item()
        model.eval()
        with torch.no_grad():
            rows = [model(images).sigmoid().numpy() for images, _ in DataLoader(radiographs["valid"], batch_size=8)]
        score = roc_auc_score(radiographs["valid"].labels, np.concatenate(rows))
        print(f"epoch {epoch} loss {total:.1f} AUROC {score:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, help="the folder that contains CheXpert-v1.0[-small]")
    parser.add_argument("--backbone", default="densenet121", help="of timm (densenet121)")
    parser.add_argument("--epochs", type=int, default=3, help="(3)")
    given = parser.parse_args()
    train(given.root, given.backbone, given.epochs)


if __name__ == "__main__":
    open_streams()
    main()
