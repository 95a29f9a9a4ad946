"""Logistic regression and polynomial fits with tensors alone, in the manner of 'learning by examples'."""

import math

from tests.parity.programs.common import draw


def run(torch):
    losses = []
    x = torch.linspace(-math.pi, math.pi, 200)
    y = torch.sin(x)
    a, b, c, d = (torch.tensor(v, requires_grad=True) for v in (0.1, -0.2, 0.3, 0.05))
    for t in range(20):
        y_pred = a + b * x + c * x**2 + d * x**3
        loss = (y_pred - y).pow(2).sum()
        loss.backward()
        with torch.no_grad():
            for p in (a, b, c, d):
                p -= 1e-6 * p.grad
                p.grad = None
        if t % 5 == 4:
            losses.append(loss.item())
    losses += [a.item(), b.item(), c.item(), d.item()]

    p = torch.tensor([1, 2, 3])
    xx = x.unsqueeze(-1).pow(p)
    model = torch.nn.Sequential(torch.nn.Linear(3, 1), torch.nn.Flatten(0, 1))
    with torch.no_grad():
        model[0].weight[:] = torch.tensor([[0.1, 0.2, -0.1]])
        model[0].bias.zero_()
    loss_fn = torch.nn.MSELoss(reduction="sum")
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3)
    for _ in range(10):
        loss = loss_fn(model(xx), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())

    features = draw(torch, 46, 60, 4)
    weight = torch.tensor([1.0, -2.0, 0.5, 0.0])
    target = (features @ weight + 0.3 > 0).to(features.dtype)
    w = torch.zeros(4, requires_grad=True)
    bias = torch.zeros(1, requires_grad=True)
    for _ in range(15):
        probability = 1 / (1 + torch.exp(-(torch.matmul(features, w) + bias)))
        loss = -(target * torch.log(probability) + (1 - target) * torch.log(1 - probability)).mean()
        loss = loss + 0.01 * w.abs().sum() + 0.01 * torch.norm(w) ** 2 if loss < 0.6 else loss
        loss.backward()
        w.data -= 0.5 * w.grad.data
        bias.data -= 0.5 * bias.grad.data
        w.grad.data.zero_()
        bias.grad.zero_()
        losses.append(loss.item())
    accuracy = ((probability > 0.5) == (target == 1)).double().mean()
    return [*losses, accuracy.item()]
