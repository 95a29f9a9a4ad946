"""A sentiment classifier: bidirectional GRU over packed sequences of unequal lengths."""

import numpy

from tests.parity.programs.common import fill, labels


def run(torch):
    nn = torch.nn
    pad_sequence, pack_padded_sequence, pad_packed_sequence = (
        torch.nn.utils.rnn.pad_sequence,
        torch.nn.utils.rnn.pack_padded_sequence,
        torch.nn.utils.rnn.pad_packed_sequence,
    )

    class TextClassifier(nn.Module):
        def __init__(self, vocab, dim, hidden, classes):
            super().__init__()
            self.embedding = nn.Embedding(vocab, dim, padding_idx=0)
            self.gru = nn.GRU(dim, hidden, num_layers=2, batch_first=True, bidirectional=True)
            self.fc = nn.Linear(hidden * 2, classes)

        def forward(self, text, lengths):
            packed = pack_padded_sequence(self.embedding(text), lengths.cpu(), batch_first=True, enforce_sorted=False)
            packed_output, hidden = self.gru(packed)
            output, output_lengths = pad_packed_sequence(packed_output, batch_first=True)
            mask = (torch.arange(output.size(1))[None, :] < output_lengths[:, None]).unsqueeze(-1)
            pooled = (output * mask).sum(1) / mask.sum(1)
            return self.fc(torch.cat((hidden[-2, :, :], hidden[-1, :, :]), dim=1) + pooled)

    class Reviews(torch.utils.data.Dataset):
        def __init__(self):
            rng = numpy.random.default_rng(24)
            self.lengths = rng.integers(2, 9, 24)
            self.items = [torch.from_numpy(rng.integers(1, 30, n)) for n in self.lengths]
            self.labels = labels(torch, 25, 2, 24)

        def __len__(self):
            return len(self.items)

        def __getitem__(self, idx):
            return self.items[idx], self.labels[idx]

    def collate_batch(batch):
        texts, targets = zip(*batch)
        lengths = torch.tensor([len(t) for t in texts])
        return pad_sequence(texts, batch_first=True), lengths, torch.stack(targets)

    loader = torch.utils.data.DataLoader(Reviews(), batch_size=6, collate_fn=collate_batch)
    model = fill(torch, TextClassifier(30, 6, 5, 2), 26)
    with torch.no_grad():
        model.embedding.weight[0].fill_(0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    criterion = nn.CrossEntropyLoss()
    losses = []
    for _ in range(3):
        for text, lengths, targets in loader:
            optimizer.zero_grad()
            loss = criterion(model(text, lengths), targets)
            loss.backward()
            nn.utils.clip_grad_value_(model.parameters(), 0.1)
            optimizer.step()
            losses.append(loss.item())
    losses.append(model.embedding.weight[0].abs().sum().item())
    return losses
