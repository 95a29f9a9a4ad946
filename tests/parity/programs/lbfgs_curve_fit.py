"""Curve fitting with LBFGS and closures, nn.Parameter in a module of its own, and a Rosenbrock minimum."""

import numpy


def run(torch):
    nn = torch.nn

    class Curve(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Parameter(torch.tensor(1.5))
            self.b = torch.nn.Parameter(torch.tensor([0.5]))
            self.c = nn.Parameter(torch.zeros(()))

        def forward(self, x):
            return self.a * torch.exp(-self.b * x) + self.c

        def string(self):
            return f"y = {self.a.item():.4f} exp(-{self.b.item():.4f} x) + {self.c.item():.4f}"

    rng = numpy.random.default_rng(67)
    x = torch.linspace(0, 4, 50)
    y = 2.5 * torch.exp(-1.3 * x) + 0.5 + torch.tensor(0.05 * rng.standard_normal(50), dtype=x.dtype)
    model, losses = Curve(), []
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=8, history_size=5)
    for _ in range(3):

        def closure():
            optimizer.zero_grad()
            loss = ((model(x) - y) ** 2).mean()
            loss.backward()
            return loss

        losses.append(float(optimizer.step(closure)))
    assert model.string().startswith("y = ")
    losses += [p.item() for p in model.parameters()]
    point = torch.tensor([-1.2, 1.0], requires_grad=True)
    optimizer = torch.optim.LBFGS([point], line_search_fn="strong_wolfe", max_iter=12)

    def rosenbrock():
        optimizer.zero_grad()
        loss = (1 - point[0]) ** 2 + 100 * (point[1] - point[0] ** 2) ** 2
        loss.backward()
        losses.append(loss.item())
        return loss

    optimizer.step(rosenbrock)
    return losses + point.tolist()
