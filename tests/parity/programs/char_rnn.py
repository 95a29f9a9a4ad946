"""A character-level recurrent network written out by hand, trained on names with manual updates."""

from tests.parity.programs.common import fill, text


def run(torch):
    nn = torch.nn
    letters = sorted(set(text()))
    n_letters = len(letters)

    def line_to_tensor(line):
        tensor = torch.zeros(len(line), 1, n_letters)
        for li, letter in enumerate(line):
            tensor[li][0][letters.index(letter)] = 1
        return tensor

    class RNN(nn.Module):
        def __init__(self, input_size, hidden_size, output_size):
            super().__init__()
            self.hidden_size = hidden_size
            self.i2h = nn.Linear(input_size, hidden_size)
            self.h2h = nn.Linear(hidden_size, hidden_size)
            self.h2o = nn.Linear(hidden_size, output_size)
            self.softmax = nn.LogSoftmax(dim=1)

        def forward(self, input, hidden):
            hidden = torch.tanh(self.i2h(input) + self.h2h(hidden))
            output = self.h2o(hidden)
            output = self.softmax(output)
            return output, hidden

        def initHidden(self):
            return torch.zeros(1, self.hidden_size)

    rnn = fill(torch, RNN(n_letters, 12, 3), 22)
    criterion = nn.NLLLoss()
    learning_rate = 0.05
    losses = []
    for step, word in enumerate(text().split()[:20]):
        category_tensor = torch.tensor([step % 3], dtype=torch.long)
        line_tensor = line_to_tensor(word)
        hidden = rnn.initHidden()
        rnn.zero_grad()
        for i in range(line_tensor.size()[0]):
            output, hidden = rnn(line_tensor[i], hidden)
        loss = criterion(output, category_tensor)
        loss.backward()
        for p in rnn.parameters():
            p.data.add_(p.grad.data, alpha=-learning_rate)
        top_n, top_i = output.topk(1)
        losses += [loss.item(), top_n.item(), float(top_i[0].item())]
    return losses
