"""A generative adversarial network on points, with real and fake labels."""

from tests.parity.programs.common import draw, fill


def run(torch):
    nn, optim = torch.nn, torch.optim

    class Generator(nn.Module):
        def __init__(self):
            super().__init__()

            def block(in_feat, out_feat, normalize=True):
                layers = [nn.Linear(in_feat, out_feat)]
                if normalize:
                    layers.append(nn.BatchNorm1d(out_feat, 0.8))
                layers.append(nn.LeakyReLU(0.2, inplace=True))
                return layers

            self.model = nn.Sequential(*block(5, 16, normalize=False), *block(16, 24), nn.Linear(24, 2), nn.Tanh())

        def forward(self, z):
            return self.model(z)

    class Discriminator(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = nn.Sequential(
                nn.Linear(2, 24), nn.LeakyReLU(0.2, inplace=True), nn.Linear(24, 1), nn.Sigmoid()
            )

        def forward(self, img):
            return self.model(img.view(img.size(0), -1))

    adversarial_loss = torch.nn.BCELoss()
    generator, discriminator = fill(torch, Generator(), 16), fill(torch, Discriminator(), 17)
    optimizer_G = optim.Adam(generator.parameters(), lr=0.002, betas=(0.5, 0.999))
    optimizer_D = optim.Adam(discriminator.parameters(), lr=0.002, betas=(0.5, 0.999))
    losses = []
    for i in range(10):
        real_imgs = draw(torch, 300 + i, 32, 2) * 0.2 + torch.tensor([0.5, -0.5])
        valid = torch.ones(real_imgs.size(0), 1, requires_grad=False)
        fake = torch.zeros(real_imgs.size(0), 1, requires_grad=False)

        optimizer_G.zero_grad()
        z = draw(torch, 400 + i, real_imgs.shape[0], 5)
        gen_imgs = generator(z)
        g_loss = adversarial_loss(discriminator(gen_imgs), valid)
        g_loss.backward()
        optimizer_G.step()

        optimizer_D.zero_grad()
        real_loss = adversarial_loss(discriminator(real_imgs), valid)
        fake_loss = adversarial_loss(discriminator(gen_imgs.detach()), fake)
        d_loss = (real_loss + fake_loss) / 2
        d_loss.backward()
        optimizer_D.step()
        losses += [g_loss.item(), d_loss.item()]
    return losses
