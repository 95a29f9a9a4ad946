"""A mixture density network: logsumexp of weighted normal densities, by hand and with Normal."""

import math

import numpy

from tests.parity.programs.common import fill


def run(torch):
    nn = torch.nn

    class MDN(nn.Module):
        def __init__(self, n_hidden, n_gaussians):
            super().__init__()
            self.z_h = nn.Sequential(nn.Linear(1, n_hidden), nn.Tanh())
            self.z_pi = nn.Linear(n_hidden, n_gaussians)
            self.z_sigma = nn.Linear(n_hidden, n_gaussians)
            self.z_mu = nn.Linear(n_hidden, n_gaussians)

        def forward(self, x):
            z_h = self.z_h(x)
            pi = nn.functional.softmax(self.z_pi(z_h), -1)
            sigma = torch.exp(self.z_sigma(z_h))
            mu = self.z_mu(z_h)
            return pi, sigma, mu

    rng = numpy.random.default_rng(58)
    y_data = rng.uniform(-10.5, 10.5, 60)
    x_data = numpy.sin(0.75 * y_data) * 7.0 + y_data * 0.5 + rng.normal(size=60)
    x = torch.tensor(x_data, dtype=torch.get_default_dtype()).unsqueeze(1)
    y = torch.as_tensor(y_data).to(torch.get_default_dtype())[:, None]
    network = fill(torch, MDN(12, 4), 59, 0.5)
    optimizer = torch.optim.Adamax(network.parameters(), lr=0.01)
    losses = []
    for step in range(10):
        pi, sigma, mu = network(x)
        if step % 2:
            result = (y.expand_as(mu) - mu) * torch.reciprocal(sigma)
            result = -0.5 * (result * result)
            density = torch.exp(result) * torch.reciprocal(sigma) * (1.0 / math.sqrt(2.0 * math.pi))
            loss = torch.mean(-torch.log(torch.sum(density * pi, dim=1)))
        else:
            component = torch.distributions.Normal(mu, sigma)
            loss = -torch.logsumexp(component.log_prob(y) + torch.log(pi), dim=1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    k = torch.multinomial(pi.detach(), 1).view(-1)
    assert k.shape == (60,)
    picked = mu.gather(1, pi.argmax(1, keepdim=True)).squeeze(1)
    return losses + picked.data.numpy().tolist()
