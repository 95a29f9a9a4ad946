"""A convolutional network on images, in the manner of the classic MNIST example."""

from tests.parity.programs.common import fill, images, labels


def run(torch):
    nn, F, optim = torch.nn, torch.nn.functional, torch.optim
    StepLR = torch.optim.lr_scheduler.StepLR

    class Net(nn.Module):
        def __init__(self):
            super(Net, self).__init__()
            self.conv1 = nn.Conv2d(1, 6, 3, 1)
            self.conv2 = nn.Conv2d(6, 8, kernel_size=3, stride=1, padding=1)
            self.dropout1 = nn.Dropout(0.0)
            self.fc1 = nn.Linear(72, 16)
            self.fc2 = nn.Linear(16, 10)

        def forward(self, x):
            x = self.conv1(x)
            x = F.relu(x)
            x = self.conv2(x)
            x = F.relu(x)
            x = F.max_pool2d(x, 2)
            x = self.dropout1(x)
            x = torch.flatten(x, 1)
            x = self.fc1(x)
            x = F.relu(x)
            x = F.dropout(x, training=False)
            x = self.fc2(x)
            output = F.log_softmax(x, dim=1)
            return output

    def train(model, device, train_loader, optimizer, epoch):
        model.train()
        for _batch_idx, (data, target) in enumerate(train_loader):
            data, target = data.to(device), target.to(device)
            optimizer.zero_grad()
            output = model(data)
            loss = F.nll_loss(output, target)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())

    def test(model, device, test_loader):
        model.eval()
        test_loss = 0
        correct = 0
        with torch.no_grad():
            for data, target in test_loader:
                data, target = data.to(device), target.to(device)
                output = model(data)
                test_loss += F.nll_loss(output, target, reduction="sum").item()
                pred = output.argmax(dim=1, keepdim=True)
                correct += pred.eq(target.view_as(pred)).sum().item()
        test_loss /= len(test_loader.dataset)
        losses.extend([test_loss, correct / len(test_loader.dataset)])

    losses = []
    torch.manual_seed(1)
    device = torch.device("cpu")
    dataset = torch.utils.data.TensorDataset(images(torch, 3, 60), labels(torch, 4, 10, 60))
    train_kwargs = {"batch_size": 16, "num_workers": 0, "pin_memory": False, "drop_last": True}
    train_loader = torch.utils.data.DataLoader(dataset, shuffle=False, **train_kwargs)
    test_loader = torch.utils.data.DataLoader(dataset, batch_size=100)
    model = fill(torch, Net().to(device), 5)
    optimizer = optim.Adadelta(model.parameters(), lr=1.0)
    scheduler = StepLR(optimizer, step_size=1, gamma=0.7)
    for epoch in range(1, 4):
        train(model, device, train_loader, optimizer, epoch)
        test(model, device, test_loader)
        scheduler.step()
        losses.append(scheduler.get_last_lr()[0])
    return losses
