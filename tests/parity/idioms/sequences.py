"""Lines of recurrent and sequential models.

Each function takes the engine and returns what is compared.
"""

from tests.parity.programs.common import normal as t


def lstm_cells_over_time(lib):
    nn = lib.nn
    cells = nn.LSTMCell(1, 5), nn.LSTMCell(5, 5)
    linear = nn.Linear(5, 1)
    with lib.no_grad():
        for i, p in enumerate([*cells[0].parameters(), *cells[1].parameters(), *linear.parameters()]):
            p.copy_(t(lib, *p.shape, seed=i) * 0.3)
    data = lib.sin(lib.arange(12).float().view(1, 12) / 2).repeat(2, 1)
    h1, c1, h2, c2 = (lib.zeros(2, 5) for _ in range(4))
    outputs = []
    for input_t in data.chunk(data.size(1), dim=1):
        h1, c1 = cells[0](input_t, (h1, c1))
        h2, c2 = cells[1](h1, (h2, c2))
        outputs += [linear(h2)]
    for _ in range(3):
        h1, c1 = cells[0](outputs[-1], (h1, c1))
        h2, c2 = cells[1](h1, (h2, c2))
        outputs += [linear(h2)]
    return [lib.stack(outputs, 1).squeeze(2), lib.cat(outputs, dim=1)]


def viterbi_and_forward_algorithm(lib):
    feats, transitions = t(lib, 6, 4), t(lib, 4, 4, seed=1)
    forward = lib.full((1, 4), -10000.0)
    forward[0][2] = 0.0
    scores, back = forward, []
    for feat in feats:
        alphas = []
        for tag in range(4):
            emit = feat[tag].view(1, -1).expand(1, 4)
            alphas.append(lib.logsumexp(forward + transitions[tag].view(1, -1) + emit, dim=1).view(1))
        forward = lib.cat(alphas).view(1, -1)
        best = scores + transitions
        values, ids = lib.max(best, 1)
        back.append(ids.tolist())
        scores = (values + feat).view(1, -1)
    return [lib.logsumexp(forward, 1), scores, back]


def word2vec_negative_sampling(lib):
    F = lib.nn.functional
    inputs, outputs = (
        lib.nn.Embedding.from_pretrained(t(lib, 10, 4), freeze=False),
        t(lib, 10, 4, seed=1).requires_grad_(),
    )
    centre, context, negatives = lib.tensor([1, 2]), lib.tensor([3, 4]), lib.tensor([[5, 6, 7], [8, 9, 0]])
    v, u = inputs(centre), outputs[context]
    positive = F.logsigmoid((u * v).sum(dim=1))
    negative = F.logsigmoid(-lib.bmm(outputs[negatives], v.unsqueeze(2)).squeeze(2)).sum(1)
    loss = -(positive + negative).mean()
    loss.backward()
    return [loss, inputs.weight.grad, outputs.grad]


def selective_scan(lib):
    x, delta = t(lib, 2, 5, 3), lib.nn.functional.softplus(t(lib, 2, 5, 3, seed=1))
    A, B, C = -lib.exp(t(lib, 3, 4, seed=2)), t(lib, 2, 5, 4, seed=3), t(lib, 2, 5, 4, seed=4)
    deltaA = lib.exp(lib.einsum("bld,dn->bldn", delta, A))
    deltaBx = lib.einsum("bld,bln,bld->bldn", delta, B, x)
    state, ys = lib.zeros((2, 3, 4)), []
    for i in range(5):
        state = deltaA[:, i] * state + deltaBx[:, i]
        ys.append(lib.einsum("bdn,bn->bd", state, C[:, i, :]))
    return [lib.stack(ys, dim=1), lib.cumsum(delta, 1).flip([1])]
