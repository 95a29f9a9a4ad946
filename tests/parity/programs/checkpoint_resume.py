"""Training that stops, saves, loads and goes on: state dicts of model, optimizer and scheduler."""

import io
import os
import tempfile

from tests.parity.programs.common import draw, fill


def run(torch):
    nn, optim = torch.nn, torch.optim

    def make():
        model = fill(torch, nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Softplus(), nn.Linear(8, 2)), 84)
        optimizer = optim.Adam(model.parameters(), lr=0.02)
        scheduler = optim.lr_scheduler.SequentialLR(
            optimizer,
            [
                optim.lr_scheduler.LinearLR(optimizer, 0.1, total_iters=3),
                optim.lr_scheduler.ExponentialLR(optimizer, 0.9),
            ],
            milestones=[3],
        )
        return model, optimizer, scheduler

    x, y = draw(torch, 85, 20, 4), draw(torch, 86, 20, 2)
    losses = []

    def train(model, optimizer, scheduler, steps):
        for _ in range(steps):
            optimizer.zero_grad()
            loss = nn.functional.huber_loss(model(x), y)
            loss.backward()
            optimizer.step()
            scheduler.step()
            losses.append(loss.item())

    model, optimizer, scheduler = make()
    train(model, optimizer, scheduler, 5)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "checkpoint.pt")
        torch.save(
            {
                "epoch": 5,
                "model_state_dict": model.state_dict(),
                "optimizer_state_dict": optimizer.state_dict(),
                "loss": losses[-1],
            },
            path,
        )
        checkpoint = torch.load(path)
    again, other, third = make()
    missing = again.load_state_dict(checkpoint["model_state_dict"], strict=True)
    assert not missing.missing_keys
    other.load_state_dict(checkpoint["optimizer_state_dict"])
    third.load_state_dict(scheduler.state_dict())
    assert checkpoint["epoch"] == 5
    train(again, other, third, 4)
    buffer = io.BytesIO()
    torch.save(again.state_dict(), buffer)
    buffer.seek(0)
    state = torch.load(buffer, map_location="cpu")
    assert list(state) == list(again.state_dict())
    train(model, optimizer, scheduler, 4)
    assert losses[5:9] == losses[9:13]
    return losses
