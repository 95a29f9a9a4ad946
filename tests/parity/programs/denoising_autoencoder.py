"""A convolutional autoencoder with upsampling, trained to remove noise, with a plateau schedule."""

from tests.parity.programs.common import draw, fill, images


def run(torch):
    nn = torch.nn

    class ConvAutoencoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = nn.Sequential(
                nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, 2),
                nn.Conv2d(6, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, 2),
            )  # fmt: skip
            self.decoder = nn.Sequential(
                nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(3, 6, 3, padding=1), nn.ELU(),
                nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False), nn.Conv2d(6, 1, 3, padding=1),
                nn.Sigmoid(),
            )  # fmt: skip

        def forward(self, x):
            return self.decoder(self.encoder(x))

    model = fill(torch, ConvAutoencoder(), 32)
    criterion = nn.MSELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3, weight_decay=1e-5)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, "min", factor=0.5, patience=1)
    clean = images(torch, 33, 12)
    losses = []
    for epoch in range(8):
        noisy = torch.clamp(clean + 0.3 * draw(torch, 1100 + epoch, 12, 1, 8, 8), 0.0, 1.0)
        output = model(noisy)
        loss = criterion(output, clean)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step(loss.item() if epoch < 4 else 1.0)
        losses += [loss.item(), optimizer.param_groups[0]["lr"]]
    return losses
