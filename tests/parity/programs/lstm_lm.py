"""A word language model with an LSTM: embeddings, truncated backpropagation, tied weights, clipping, perplexity."""

import math

from tests.parity.programs.common import fill, text


def run(torch):
    nn, F = torch.nn, torch.nn.functional

    class Dictionary:
        def __init__(self):
            self.word2idx = {}

        def add_word(self, word):
            return self.word2idx.setdefault(word, len(self.word2idx))

    dictionary = Dictionary()
    corpus = torch.tensor([dictionary.add_word(word) for word in text().split()]).type(torch.int64)
    ntoken = len(dictionary.word2idx)

    def batchify(data, bsz):
        nbatch = data.size(0) // bsz
        data = data.narrow(0, 0, nbatch * bsz)
        data = data.view(bsz, -1).t().contiguous()
        return data

    class RNNModel(nn.Module):
        def __init__(self, rnn_type, ntoken, ninp, nhid, nlayers, tie_weights=False):
            super().__init__()
            self.ntoken = ntoken
            self.drop = nn.Dropout(0.0)
            self.encoder = nn.Embedding(ntoken, ninp)
            self.rnn = getattr(nn, rnn_type)(ninp, nhid, nlayers, dropout=0.0)
            self.decoder = nn.Linear(nhid, ntoken)
            if tie_weights:
                self.decoder.weight = self.encoder.weight
            self.init_weights()
            self.nhid, self.nlayers = nhid, nlayers

        def init_weights(self):
            initrange = 0.1
            nn.init.uniform_(self.encoder.weight, -initrange, initrange)
            nn.init.zeros_(self.decoder.bias)

        def forward(self, input, hidden):
            emb = self.drop(self.encoder(input))
            output, hidden = self.rnn(emb, hidden)
            output = self.drop(output)
            decoded = self.decoder(output)
            decoded = decoded.view(-1, self.ntoken)
            return F.log_softmax(decoded, dim=1), hidden

        def init_hidden(self, bsz):
            weight = next(self.parameters())
            return (weight.new_zeros(self.nlayers, bsz, self.nhid), weight.new_zeros(self.nlayers, bsz, self.nhid))

    def repackage_hidden(h):
        if isinstance(h, torch.Tensor):
            return h.detach()
        else:
            return tuple(repackage_hidden(v) for v in h)

    def get_batch(source, i, bptt):
        seq_len = min(bptt, len(source) - 1 - i)
        data = source[i : i + seq_len]
        target = source[i + 1 : i + 1 + seq_len].view(-1)
        return data, target

    train_data = batchify(corpus, 4)
    model = fill(torch, RNNModel("LSTM", ntoken, 10, 10, 2, tie_weights=True), 23)
    assert model.decoder.weight is model.encoder.weight
    criterion = nn.NLLLoss()
    lr, losses = 5.0, []
    for _epoch in range(2):
        model.train()
        hidden = model.init_hidden(4)
        for i in range(0, train_data.size(0) - 1, 6):
            data, targets = get_batch(train_data, i, 6)
            model.zero_grad()
            hidden = repackage_hidden(hidden)
            output, hidden = model(data, hidden)
            loss = criterion(output, targets)
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 0.25)
            for p in model.parameters():
                p.data.add_(p.grad, alpha=-lr)
            losses += [loss.item(), norm.item()]
        losses.append(math.exp(min(losses[-2], 20)))
        lr /= 4.0
    return losses
