"""A diffusion model on points: noise schedule, timestep embedding, noise prediction, ancestral sampling."""

import math

from tests.parity.programs.common import draw, fill, labels


def run(torch):
    nn, F = torch.nn, torch.nn.functional
    T = 20
    betas = torch.linspace(1e-4, 0.05, T)
    alphas = 1.0 - betas
    alphas_cumprod = torch.cumprod(alphas, dim=0)
    alphas_cumprod_prev = F.pad(alphas_cumprod[:-1], (1, 0), value=1.0)
    sqrt_alphas_cumprod = torch.sqrt(alphas_cumprod)
    sqrt_one_minus = torch.sqrt(1.0 - alphas_cumprod)
    posterior_variance = betas * (1.0 - alphas_cumprod_prev) / (1.0 - alphas_cumprod)

    def extract(a, t, x_shape):
        out = a.gather(-1, t.cpu())
        return out.reshape(t.shape[0], *((1,) * (len(x_shape) - 1))).to(t.device)

    class SinusoidalPositionEmbeddings(nn.Module):
        def __init__(self, dim):
            super().__init__()
            self.dim = dim

        def forward(self, time):
            half_dim = self.dim // 2
            embeddings = math.log(10000) / (half_dim - 1)
            embeddings = torch.exp(torch.arange(half_dim, device=time.device) * -embeddings)
            embeddings = time[:, None] * embeddings[None, :]
            return torch.cat((embeddings.sin(), embeddings.cos()), dim=-1)

    class Denoiser(nn.Module):
        def __init__(self):
            super().__init__()
            self.time_mlp = nn.Sequential(SinusoidalPositionEmbeddings(8), nn.Linear(8, 16), nn.GELU())
            self.inp, self.out = nn.Linear(2, 16), nn.Linear(16, 2)
            self.norm = nn.LayerNorm(16)

        def forward(self, x, t):
            return self.out(F.silu(self.norm(self.inp(x) + self.time_mlp(t))))

    model = fill(torch, Denoiser(), 92)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for step in range(8):
        x_start, noise = draw(torch, 1200 + step, 16, 2), draw(torch, 1300 + step, 16, 2)
        t = labels(torch, 1400 + step, T, 16)
        x_noisy = extract(sqrt_alphas_cumprod, t, x_start.shape) * x_start
        x_noisy = x_noisy + extract(sqrt_one_minus, t, x_start.shape) * noise
        loss = F.smooth_l1_loss(noise, model(x_noisy, t))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())

    @torch.no_grad()
    def p_sample(x, i):
        t = torch.full((x.shape[0],), i, dtype=torch.long)
        mean = torch.sqrt(1.0 / extract(alphas, t, x.shape)) * (
            x - extract(betas, t, x.shape) * model(x, t) / extract(sqrt_one_minus, t, x.shape)
        )
        if i == 0:
            return mean
        return mean + torch.sqrt(extract(posterior_variance, t, x.shape)) * draw(torch, 1500 + i, *x.shape)

    img = draw(torch, 93, 3, 2)
    for i in reversed(range(0, T)):
        img = p_sample(img, i)
    return losses + img.flatten().tolist()
