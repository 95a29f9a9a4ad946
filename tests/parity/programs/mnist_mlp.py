"""A multilayer perceptron on images, in the manner of the first tutorials."""

from tests.parity.programs.common import fill, images, labels


def run(torch):
    nn = torch.nn
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    class NeuralNetwork(nn.Module):
        def __init__(self):
            super(NeuralNetwork, self).__init__()
            self.flatten = nn.Flatten()
            self.linear_relu_stack = nn.Sequential(
                nn.Linear(8 * 8, 32),
                nn.ReLU(),
                nn.Linear(32, 32),
                nn.ReLU(),
                nn.Linear(32, 10),
            )

        def forward(self, x):
            x = self.flatten(x)
            logits = self.linear_relu_stack(x)
            return logits

    training_data = torch.utils.data.TensorDataset(images(torch, 0, 96), labels(torch, 1, 10, 96))
    train_dataloader = torch.utils.data.DataLoader(training_data, batch_size=32)
    model = fill(torch, NeuralNetwork().to(device), 2, 0.2)
    assert "(linear_relu_stack): Sequential(" in repr(model)
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-1)

    losses = []
    for _epoch in range(5):
        size = len(train_dataloader.dataset)
        model.train()
        for batch, (X, y) in enumerate(train_dataloader):
            X, y = X.to(device), y.to(device)
            pred = model(X)
            loss = loss_fn(pred, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            assert (batch + 1) * len(X) <= size

        num_batches = len(train_dataloader)
        model.eval()
        test_loss, correct = 0, 0
        with torch.no_grad():
            for X, y in train_dataloader:
                X, y = X.to(device), y.to(device)
                pred = model(X)
                test_loss += loss_fn(pred, y).item()
                correct += (pred.argmax(1) == y).type(torch.float).sum().item()
        losses += [test_loss / num_batches, correct / size]
        assert f"Accuracy: {(100 * correct / size):>0.1f}%"
    return losses
