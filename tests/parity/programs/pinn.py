"""A physics-informed network for Burgers' equation: second derivatives inside the loss."""

import numpy

from tests.parity.programs.common import fill


def run(torch):
    nn = torch.nn

    class PINN(nn.Module):
        def __init__(self, layers):
            super().__init__()
            self.layers = nn.ModuleList()
            for i in range(len(layers) - 1):
                self.layers.append(nn.Linear(layers[i], layers[i + 1]))
                nn.init.xavier_normal_(self.layers[-1].weight)

        def forward(self, x, t):
            h = torch.cat([x, t], dim=1)
            for layer in self.layers[:-1]:
                h = torch.tanh(layer(h))
            return self.layers[-1](h)

    def tensor(a):
        return torch.tensor(a, dtype=torch.get_default_dtype())

    rng = numpy.random.default_rng(28)
    x_f = tensor(rng.uniform(-1, 1, (40, 1))).requires_grad_(True)
    t_f = tensor(rng.uniform(0, 1, (40, 1))).requires_grad_(True)
    x_0 = torch.linspace(-1, 1, 20).view(-1, 1)
    u_0 = -torch.sin(torch.pi * x_0)
    model = fill(torch, PINN([2, 12, 12, 1]), 29, 0.5)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    nu = 0.01 / np_pi()
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        u = model(x_f, t_f)
        u_t = torch.autograd.grad(u, t_f, grad_outputs=torch.ones_like(u), retain_graph=True, create_graph=True)[0]
        u_x = torch.autograd.grad(u, x_f, torch.ones_like(u), retain_graph=True, create_graph=True)[0]
        u_xx = torch.autograd.grad(u_x, x_f, torch.ones_like(u_x), create_graph=True)[0]
        f = u_t + u * u_x - nu * u_xx
        mse_f = torch.mean(f**2)
        mse_u = nn.MSELoss()(model(x_0, torch.zeros_like(x_0)), u_0)
        loss = mse_u + mse_f
        loss.backward()
        optimizer.step()
        losses += [loss.item(), mse_f.item()]
    lbfgs = torch.optim.LBFGS(
        model.parameters(), lr=1.0, max_iter=6, tolerance_grad=1e-9, history_size=10, line_search_fn="strong_wolfe"
    )

    def closure():
        lbfgs.zero_grad()
        loss = nn.functional.mse_loss(model(x_0, torch.zeros_like(x_0)), u_0)
        loss.backward()
        losses.append(loss.item())
        return loss

    lbfgs.step(closure)
    return losses


def np_pi():
    return float(numpy.pi)
