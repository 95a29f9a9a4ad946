"""A CNN with depthwise convolutions, squeeze and excitation, OneCycleLR, mixup and gradient accumulation."""

import numpy

from tests.parity.programs.common import fill, images, labels


def run(torch):
    nn, F = torch.nn, torch.nn.functional

    class SqueezeExcite(nn.Module):
        def __init__(self, channel, reduction=2):
            super().__init__()
            self.avg_pool = nn.AdaptiveAvgPool2d(1)
            self.fc = nn.Sequential(
                nn.Linear(channel, channel // reduction, bias=False), nn.Hardswish(inplace=True),
                nn.Linear(channel // reduction, channel, bias=False), nn.Hardsigmoid(),
            )  # fmt: skip

        def forward(self, x):
            b, c, _, _ = x.size()
            y = self.avg_pool(x).view(b, c)
            y = self.fc(y).view(b, c, 1, 1)
            return x * y.expand_as(x)

    def conv_dw(inp, oup, stride):
        return nn.Sequential(
            nn.Conv2d(inp, inp, 3, stride, 1, groups=inp, bias=False), nn.BatchNorm2d(inp), nn.ReLU6(inplace=True),
            nn.Conv2d(inp, oup, 1, 1, 0, bias=False), nn.GroupNorm(2, oup), nn.SiLU(inplace=True),
        )  # fmt: skip

    model = nn.Sequential(conv_dw(2, 4, 1), SqueezeExcite(4), conv_dw(4, 6, 2), nn.AdaptiveMaxPool2d((2, 2)))
    model.add_module("head", nn.Sequential(nn.Flatten(), nn.Dropout2d(0.0), nn.Linear(24, 5)))
    fill(torch, model, 60)
    x, y = images(torch, 61, 24, 2), labels(torch, 62, 5, 24)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=12, pct_start=0.3)
    accumulation_steps, losses = 2, []
    rng = numpy.random.default_rng(63)

    def smooth(pred, target, eps=0.1):
        n_class = pred.size(1)
        one_hot = torch.zeros_like(pred).scatter(1, target.view(-1, 1), 1)
        one_hot = one_hot * (1 - eps) + (1 - one_hot) * eps / (n_class - 1)
        return -(one_hot * F.log_softmax(pred, dim=1)).sum(dim=1).mean()

    optimizer.zero_grad()
    for step in range(12):
        part = slice(8 * (step % 3), 8 * (step % 3) + 8)
        lam = float(rng.beta(0.4, 0.4))
        index = torch.from_numpy(rng.permutation(8))
        mixed = lam * x[part] + (1 - lam) * x[part][index, :]
        pred = model(mixed)
        loss = lam * smooth(pred, y[part]) + (1 - lam) * smooth(pred, y[part][index])
        (loss / accumulation_steps).backward()
        if (step + 1) % accumulation_steps == 0:
            optimizer.step()
            optimizer.zero_grad()
        scheduler.step()
        losses += [loss.item(), scheduler.get_last_lr()[0], optimizer.param_groups[0]["momentum"]]
    return losses
