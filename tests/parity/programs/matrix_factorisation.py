"""Recommendations: factorised ratings with embeddings, biases and a bounded output."""

import numpy

from tests.parity.programs.common import fill


def run(torch):
    nn = torch.nn

    class MF(nn.Module):
        def __init__(self, num_users, num_items, emb_size=6):
            super().__init__()
            self.user_emb = nn.Embedding(num_users, emb_size)
            self.user_bias = nn.Embedding(num_users, 1)
            self.item_emb = nn.Embedding(num_items, emb_size)
            self.item_bias = nn.Embedding(num_items, 1)
            self.user_emb.weight.data.uniform_(0, 0.05)
            self.item_emb.weight.data.uniform_(0, 0.05)
            self.user_bias.weight.data.uniform_(-0.01, 0.01)
            self.item_bias.weight.data.uniform_(-0.01, 0.01)

        def forward(self, u, v):
            U, V = self.user_emb(u), self.item_emb(v)
            b_u = self.user_bias(u).squeeze()
            b_v = self.item_bias(v).squeeze()
            return torch.sigmoid((U * V).sum(1) + b_u + b_v) * 5.0

    rng = numpy.random.default_rng(47)
    users = torch.LongTensor(rng.integers(0, 12, 80))
    items = torch.LongTensor(rng.integers(0, 9, 80).tolist())
    ratings = torch.tensor(rng.uniform(0.5, 5, 80), dtype=torch.get_default_dtype())
    model = fill(torch, MF(12, 9), 48)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9, weight_decay=1e-5)
    losses = []
    for _ in range(10):
        model.train()
        y_hat = model(users, items)
        loss = torch.nn.functional.mse_loss(y_hat, ratings)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    scores = model.user_emb.weight @ model.item_emb.weight.t()
    best = torch.argsort(scores, dim=1, descending=True)[:, :3]
    values, _ = scores.sort(dim=1)
    return losses + [float(i) for i in best.flatten().tolist()] + values[:, -1].detach().numpy().tolist()
