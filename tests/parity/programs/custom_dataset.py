"""Datasets of one's own: transforms, splits, samplers, weighted sampling, an iterable dataset, an epoch loop."""

import numpy

from tests.parity.programs.common import fill


def run(torch):
    nn = torch.nn
    Dataset, DataLoader, random_split = (
        torch.utils.data.Dataset, torch.utils.data.DataLoader, torch.utils.data.random_split
    )  # fmt: skip

    class Landmarks(Dataset):
        def __init__(self, count, transform=None):
            rng = numpy.random.default_rng(74)
            self.values = rng.standard_normal((count, 6))
            self.targets = rng.integers(0, 3, count)
            self.transform = transform

        def __len__(self):
            return len(self.values)

        def __getitem__(self, idx):
            if torch.is_tensor(idx):
                idx = idx.tolist()
            sample = {"image": self.values[idx], "label": int(self.targets[idx]), "name": f"item{idx}"}
            if self.transform:
                sample = self.transform(sample)
            return sample

    class ToTensor:
        def __call__(self, sample):
            return {**sample, "image": torch.from_numpy(sample["image"]).to(torch.get_default_dtype())}

    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self):
            for i in range(5):
                yield torch.full((6,), i / 5.0)

    dataset = Landmarks(30, transform=ToTensor())
    train, valid = random_split(dataset, [24, 6], generator=torch.Generator().manual_seed(42))
    assert len(train) == 24
    assert len(valid) == 6
    assert sorted([*train.indices, *valid.indices]) == list(range(30))
    ordered = torch.utils.data.Subset(dataset, range(24))
    loader = DataLoader(ordered, batch_size=8, shuffle=False, num_workers=0)
    sampler = torch.utils.data.SubsetRandomSampler(list(range(10)))
    assert sum(len(batch["label"]) for batch in DataLoader(dataset, batch_size=4, sampler=sampler)) == 10
    weighted = torch.utils.data.WeightedRandomSampler(torch.ones(30), 12, replacement=True)
    assert len(list(DataLoader(dataset, batch_size=6, sampler=weighted))) == 2
    both = torch.utils.data.ConcatDataset([ordered, valid])
    assert len(both) == 30

    model = fill(torch, nn.Sequential(nn.Linear(6, 10), nn.Mish(), nn.Linear(10, 3)), 75)
    optimizer = torch.optim.ASGD(model.parameters(), lr=0.1)
    losses = []
    for _epoch in range(3):
        running_loss = 0.0
        for i_batch, sample_batched in enumerate(loader):
            assert sample_batched["name"][0] == f"item{8 * i_batch}"
            assert sample_batched["label"].dtype == torch.int64
            outputs = model(sample_batched["image"])
            loss = nn.functional.cross_entropy(outputs, sample_batched["label"])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            running_loss += loss.item() * sample_batched["image"].size(0)
        losses.append(running_loss / len(ordered))
    with torch.no_grad():
        for batch in DataLoader(Stream(), batch_size=2):
            losses += model(batch).softmax(-1).flatten().tolist()
    confusion = torch.zeros(3, 3)
    predictions = model(torch.stack([dataset[i]["image"] for i in range(30)])).argmax(dim=-1)
    for t, p in zip(torch.tensor(dataset.targets).view(-1), predictions.view(-1)):
        confusion[t.long(), p.long()] += 1
    return losses + confusion.flatten().tolist() + torch.bincount(predictions, minlength=3).tolist()
