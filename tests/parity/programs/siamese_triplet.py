"""Metric learning: a siamese network with a contrastive loss, then triplets."""

from tests.parity.programs.common import draw, fill, labels


def run(torch):
    nn, F = torch.nn, torch.nn.functional

    class EmbeddingNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Sequential(nn.Linear(6, 16), nn.PReLU(), nn.Linear(16, 16), nn.PReLU(), nn.Linear(16, 3))

        def forward(self, x):
            output = self.fc(x)
            output = output / output.pow(2).sum(1, keepdim=True).sqrt()
            return output

        def get_embedding(self, x):
            return self.forward(x)

    class ContrastiveLoss(nn.Module):
        def __init__(self, margin):
            super().__init__()
            self.margin = margin
            self.eps = 1e-9

        def forward(self, output1, output2, target, size_average=True):
            distances = (output2 - output1).pow(2).sum(1)
            losses = 0.5 * (
                target.to(distances.dtype) * distances
                + (1 + -1 * target).to(distances.dtype) * F.relu(self.margin - (distances + self.eps).sqrt()).pow(2)
            )
            return losses.mean() if size_average else losses.sum()

    net = fill(torch, EmbeddingNet(), 34)
    optimizer = torch.optim.Adagrad(net.parameters(), lr=0.05)
    a, b, c = draw(torch, 35, 16, 6), draw(torch, 36, 16, 6), draw(torch, 37, 16, 6)
    same = labels(torch, 38, 2, 16)
    contrastive, losses = ContrastiveLoss(1.0), []
    for _ in range(5):
        optimizer.zero_grad()
        loss = contrastive(net(a), net(b), same)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    triplet = nn.TripletMarginLoss(margin=1.0, p=2)
    cosine = nn.CosineEmbeddingLoss(margin=0.2)
    for _ in range(5):
        optimizer.zero_grad()
        loss = triplet(net(a), net(a + 0.1 * b), net(c)) + cosine(net(a), net(b), 2 * same - 1)
        loss = loss + F.pairwise_distance(net(a), net(c)).mean() * 0.1
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    with torch.no_grad():
        distances = torch.cdist(net(a), net(b))
        losses += [distances.mean().item(), F.cosine_similarity(net(a), net(b), dim=1).sum().item()]
        losses += distances.min(dim=1).values.tolist()
    return losses
