"""A small residual network with batch normalisation, momentum, weight decay and a cosine schedule."""

from tests.parity.programs.common import fill, images, labels


def run(torch):
    nn, F, optim = torch.nn, torch.nn.functional, torch.optim

    class BasicBlock(nn.Module):
        expansion = 1

        def __init__(self, in_planes, planes, stride=1):
            super().__init__()
            self.conv1 = nn.Conv2d(in_planes, planes, kernel_size=3, stride=stride, padding=1, bias=False)
            self.bn1 = nn.BatchNorm2d(planes)
            self.conv2 = nn.Conv2d(planes, planes, kernel_size=3, stride=1, padding=1, bias=False)
            self.bn2 = nn.BatchNorm2d(planes)
            self.shortcut = nn.Sequential()
            if stride != 1 or in_planes != self.expansion * planes:
                self.shortcut = nn.Sequential(
                    nn.Conv2d(in_planes, self.expansion * planes, kernel_size=1, stride=stride, bias=False),
                    nn.BatchNorm2d(self.expansion * planes),
                )

        def forward(self, x):
            out = F.relu(self.bn1(self.conv1(x)))
            out = self.bn2(self.conv2(out))
            out += self.shortcut(x)
            out = F.relu(out)
            return out

    class ResNet(nn.Module):
        def __init__(self, block, num_blocks, num_classes=10):
            super().__init__()
            self.in_planes = 4
            self.conv1 = nn.Conv2d(3, 4, kernel_size=3, stride=1, padding=1, bias=False)
            self.bn1 = nn.BatchNorm2d(4)
            self.layer1 = self._make_layer(block, 4, num_blocks[0], stride=1)
            self.layer2 = self._make_layer(block, 8, num_blocks[1], stride=2)
            self.linear = nn.Linear(8, num_classes)
            for m in self.modules():
                if isinstance(m, nn.Conv2d):
                    nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
                elif isinstance(m, (nn.BatchNorm2d, nn.GroupNorm)):
                    nn.init.constant_(m.weight, 1)
                    nn.init.constant_(m.bias, 0)

        def _make_layer(self, block, planes, num_blocks, stride):
            strides = [stride] + [1] * (num_blocks - 1)
            layers = []
            for stride in strides:
                layers.append(block(self.in_planes, planes, stride))
                self.in_planes = planes * block.expansion
            return nn.Sequential(*layers)

        def forward(self, x):
            out = F.relu(self.bn1(self.conv1(x)))
            out = self.layer1(out)
            out = self.layer2(out)
            out = F.avg_pool2d(out, 4)
            out = out.view(out.size(0), -1)
            out = self.linear(out)
            return out

    net = fill(torch, ResNet(BasicBlock, [1, 2]), 7)
    inputs, targets = images(torch, 8, 24, 3), labels(torch, 9, 10, 24)
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)
    scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)
    losses = []
    for _epoch in range(4):
        net.train()
        train_loss = total = correct = 0
        for i in range(0, 24, 8):
            optimizer.zero_grad()
            outputs = net(inputs[i : i + 8])
            loss = criterion(outputs, targets[i : i + 8])
            loss.backward()
            optimizer.step()
            train_loss += loss.item()
            _, predicted = outputs.max(1)
            total += targets[i : i + 8].size(0)
            correct += predicted.eq(targets[i : i + 8]).sum().item()
        losses += [train_loss, correct / total]
        net.eval()
        with torch.inference_mode():
            losses.append(criterion(net(inputs), targets).item())
        scheduler.step()
    state = {"net": net.state_dict(), "acc": losses[-1], "epoch": 3}
    again = ResNet(BasicBlock, [1, 2])
    again.load_state_dict(state["net"])
    again.eval()
    losses.append(criterion(again(inputs), targets).item())
    losses.append(float(sum(p.numel() for p in net.parameters() if p.requires_grad)))
    return losses
