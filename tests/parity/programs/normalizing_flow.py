"""RealNVP on two moons: affine coupling, masks as buffers, log-determinants, a multivariate normal prior."""

import numpy

from tests.parity.programs.common import fill


def run(torch):
    nn = torch.nn

    class Coupling(nn.Module):
        def __init__(self, mask):
            super().__init__()
            self.register_buffer("mask", mask)
            self.s = nn.Sequential(nn.Linear(2, 8), nn.LeakyReLU(), nn.Linear(8, 2), nn.Tanh())
            self.t = nn.Sequential(nn.Linear(2, 8), nn.LeakyReLU(), nn.Linear(8, 2))

        def forward(self, x):
            x_ = x * self.mask
            s, t = self.s(x_) * (1 - self.mask), self.t(x_) * (1 - self.mask)
            return x_ + (1 - self.mask) * (x * torch.exp(s) + t), s.sum(dim=1)

    class RealNVP(nn.Module):
        def __init__(self):
            super().__init__()
            masks = torch.tensor([[0.0, 1.0], [1.0, 0.0]] * 2)
            self.layers = nn.ModuleList(Coupling(mask) for mask in masks)

        def log_prob(self, x, prior):
            log_det = x.new_zeros(x.shape[0])
            for layer in reversed(self.layers):
                x, change = layer(x)
                log_det += change
            return prior.log_prob(x) + log_det

    rng = numpy.random.default_rng(90)
    angle = rng.uniform(0, numpy.pi, 50)
    moons = numpy.stack([numpy.cos(angle), numpy.sin(angle)], 1) + 0.1 * rng.standard_normal((50, 2))
    x = torch.tensor(moons).to(torch.get_default_dtype())
    prior = torch.distributions.MultivariateNormal(torch.zeros(2), torch.eye(2))
    flow = fill(torch, RealNVP(), 91)
    assert "layers.0.mask" in flow.state_dict()
    optimizer = torch.optim.Adam([p for p in flow.parameters() if p.requires_grad], lr=1e-2)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[3, 6], gamma=0.1)
    losses = []
    for _ in range(8):
        loss = -flow.log_prob(x, prior).mean()
        optimizer.zero_grad()
        loss.backward(retain_graph=True)
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    return losses
