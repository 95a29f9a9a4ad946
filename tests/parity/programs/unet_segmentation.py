"""A small U-Net with skip connections, dice and focal losses, and reflect padding."""

from tests.parity.programs.common import fill, images


def run(torch):
    nn, F = torch.nn, torch.nn.functional

    class DoubleConv(nn.Module):
        def __init__(self, in_channels, out_channels):
            super().__init__()
            self.double_conv = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, padding_mode="reflect"),
                nn.InstanceNorm2d(out_channels, affine=True),
                nn.ReLU(inplace=True),
                nn.ReplicationPad2d(1),
                nn.Conv2d(out_channels, out_channels, kernel_size=3),
                nn.SELU(),
            )

        def forward(self, x):
            return self.double_conv(x)

    class UNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.inc = DoubleConv(1, 4)
            self.down = nn.Sequential(nn.MaxPool2d(2), DoubleConv(4, 8))
            self.up = nn.ConvTranspose2d(8, 4, kernel_size=2, stride=2)
            self.conv = DoubleConv(8, 4)
            self.outc = nn.Conv2d(4, 1, kernel_size=1)

        def forward(self, x):
            x1 = self.inc(x)
            x2 = self.down(x1)
            x = self.up(x2)
            diffY, diffX = x1.size()[2] - x.size()[2], x1.size()[3] - x.size()[3]
            x = F.pad(x, [diffX // 2, diffX - diffX // 2, diffY // 2, diffY - diffY // 2])
            x = torch.cat([x1, x], dim=1)
            return self.outc(self.conv(x))

    def dice_loss(logits, target, smooth=1.0):
        pred = torch.sigmoid(logits).contiguous().view(-1)
        target = target.contiguous().view(-1)
        intersection = (pred * target).sum()
        return 1 - (2.0 * intersection + smooth) / (pred.sum() + target.sum() + smooth)

    def focal_loss(inputs, targets, alpha=0.25, gamma=2):
        bce = F.binary_cross_entropy_with_logits(inputs, targets, reduction="none")
        pt = torch.exp(-bce)
        return (alpha * (1 - pt) ** gamma * bce).mean()

    net = fill(torch, UNet(), 94)
    x = images(torch, 95, 4, 1, 9)
    masks = (x > 0.6).to(x.dtype)
    optimizer = torch.optim.RMSprop(net.parameters(), lr=1e-3, weight_decay=1e-8, momentum=0.9)
    losses = []
    for _ in range(5):
        pred = net(x)
        loss = dice_loss(pred, masks) + focal_loss(pred, masks)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    with torch.no_grad():
        predicted = torch.sigmoid(net(x)) > 0.5
        intersection = torch.logical_and(predicted, masks.bool()).sum()
        union = (predicted | masks.bool()).sum()
        losses.append((intersection / union).item())
    return losses
