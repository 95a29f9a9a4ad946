"""A neural ODE on a spiral: Runge-Kutta steps of a network, backpropagated through."""

from tests.parity.programs.common import fill


def run(torch):
    nn = torch.nn

    class Lambda(nn.Module):
        def forward(self, t, y):
            return torch.mm(y**3, true_A)

    class ODEFunc(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
            for m in self.net.modules():
                if isinstance(m, nn.Linear):
                    nn.init.normal_(m.weight, mean=0, std=0.1)
                    nn.init.constant_(m.bias, val=0)

        def forward(self, t, y):
            return self.net(y**3)

    def odeint(func, y0, t):
        solution = [y0]
        for t0, t1 in zip(t[:-1], t[1:]):
            dt, y = t1 - t0, solution[-1]
            k1 = func(t0, y)
            k2 = func(t0 + dt / 2, y + dt * k1 / 2)
            k3 = func(t0 + dt / 2, y + dt * k2 / 2)
            k4 = func(t1, y + dt * k3)
            solution.append(y + dt * (k1 + 2 * k2 + 2 * k3 + k4) / 6)
        return torch.stack(solution)

    true_y0 = torch.tensor([[2.0, 0.0]])
    t = torch.linspace(0.0, 2.0, 21)
    true_A = torch.tensor([[-0.1, 2.0], [-2.0, -0.1]])
    with torch.no_grad():
        true_y = odeint(Lambda(), true_y0, t)
    func = fill(torch, ODEFunc(), 30, 0.2)
    optimizer = torch.optim.RMSprop(func.parameters(), lr=1e-3)
    losses = []
    for itr in range(6):
        optimizer.zero_grad()
        start = torch.tensor([0, 4, 8]) + itr
        batch_y0 = true_y[start]
        batch_t = t[:6]
        batch_y = torch.stack([true_y[start + i] for i in range(6)], dim=0)
        pred_y = odeint(func, batch_y0, batch_t)
        loss = torch.mean(torch.abs(pred_y - batch_y))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
