"""A Wasserstein GAN with a gradient penalty: gradients of gradients through autograd.grad."""

from tests.parity.programs.common import draw, fill


def run(torch):
    nn, autograd = torch.nn, torch.autograd
    D = fill(
        torch, nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1)), 20
    )
    G = fill(torch, nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 2)), 21)
    optimizer_D = torch.optim.RMSprop(D.parameters(), lr=5e-4)
    optimizer_G = torch.optim.RMSprop(G.parameters(), lr=5e-4)

    def compute_gradient_penalty(D, real_samples, fake_samples, alpha):
        interpolates = (alpha * real_samples + ((1 - alpha) * fake_samples)).requires_grad_(True)
        d_interpolates = D(interpolates)
        fake = torch.ones(real_samples.shape[0], 1)
        gradients = autograd.grad(
            outputs=d_interpolates,
            inputs=interpolates,
            grad_outputs=fake,
            create_graph=True,
            retain_graph=True,
            only_inputs=True,
        )[0]
        gradients = gradients.view(gradients.size(0), -1)
        return ((gradients.norm(2, dim=1) - 1) ** 2).mean()

    losses = []
    for i in range(8):
        real = draw(torch, 700 + i, 16, 2) + 1.0
        optimizer_D.zero_grad()
        fake = G(draw(torch, 800 + i, 16, 3)).detach()
        alpha = torch.sigmoid(draw(torch, 900 + i, 16, 1))
        gradient_penalty = compute_gradient_penalty(D, real.data, fake.data, alpha)
        d_loss = -torch.mean(D(real)) + torch.mean(D(fake)) + 10 * gradient_penalty
        d_loss.backward()
        optimizer_D.step()
        losses += [d_loss.item(), gradient_penalty.item()]
        if i % 2 == 0:
            optimizer_G.zero_grad()
            for p in D.parameters():
                p.requires_grad = False
            g_loss = -torch.mean(D(G(draw(torch, 1000 + i, 16, 3))))
            g_loss.backward()
            optimizer_G.step()
            for p in D.parameters():
                p.requires_grad = True
            losses.append(g_loss.item())
    return losses
