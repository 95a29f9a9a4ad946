"""A convolutional VAE written with torch.distributions: Normal, Independent-style sums and kl_divergence."""

from tests.parity.programs.common import draw, fill, images


def run(torch):
    nn = torch.nn
    Normal, Bernoulli, kl_divergence = (
        torch.distributions.Normal, torch.distributions.Bernoulli, torch.distributions.kl_divergence
    )  # fmt: skip

    class Encoder(nn.Module):
        def __init__(self, latent):
            super().__init__()
            self.net = nn.Sequential(
                nn.Conv2d(1, 4, 4, stride=2, padding=1), nn.LeakyReLU(0.2), nn.Conv2d(4, 8, 4, 2, 1), nn.LeakyReLU(0.2)
            )
            self.head = nn.Linear(32, 2 * latent)

        def forward(self, x):
            mean, log_scale = self.head(self.net(x).flatten(1)).chunk(2, dim=-1)
            return Normal(mean, nn.functional.softplus(log_scale) + 1e-4)

    class Decoder(nn.Module):
        def __init__(self, latent):
            super().__init__()
            self.net = nn.Sequential(
                nn.Linear(latent, 32), nn.ReLU(), nn.Unflatten(1, (8, 2, 2)),
                nn.ConvTranspose2d(8, 4, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(4, 1, 4, 2, 1),
            )  # fmt: skip

        def forward(self, z):
            return Bernoulli(logits=self.net(z))

    encoder, decoder = fill(torch, Encoder(3), 13), fill(torch, Decoder(3), 14)
    prior = Normal(torch.zeros(3), torch.ones(3))
    optimizer = torch.optim.AdamW([*encoder.parameters(), *decoder.parameters()], lr=3e-3)
    x = (images(torch, 15, 16) > 0.5).to(torch.get_default_dtype())
    losses = []
    for step in range(8):
        posterior = encoder(x)
        assert posterior.rsample().requires_grad
        z = posterior.mean + posterior.stddev * draw(torch, 200 + step, 16, 3)
        log_likelihood = decoder(z).log_prob(x).sum(dim=(1, 2, 3))
        kl = kl_divergence(posterior, prior).sum(-1)
        elbo = (log_likelihood - kl).mean()
        optimizer.zero_grad(set_to_none=True)
        (-elbo).backward()
        torch.nn.utils.clip_grad_norm_(encoder.parameters(), 5.0)
        optimizer.step()
        losses += [elbo.item(), kl.mean().item(), posterior.entropy().sum(-1).mean().item()]
    return losses
