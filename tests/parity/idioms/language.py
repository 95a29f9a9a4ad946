"""Lines of language models.

Each function takes the engine and returns what is compared.
"""

import inspect

import numpy

from tests.parity.programs.common import normal as t


def bigram_counts(lib):
    words = ["emma", "olivia", "ava", "isabella"]
    chars = sorted(set("".join(words)))
    stoi = {s: i + 1 for i, s in enumerate(chars)}
    stoi["."] = 0
    N = lib.zeros((len(stoi), len(stoi)), dtype=lib.int32)
    for w in words:
        chs = ["."] + list(w) + ["."]
        for ch1, ch2 in zip(chs, chs[1:]):
            N[stoi[ch1], stoi[ch2]] += 1
    P = (N + 1).float()
    P /= P.sum(1, keepdims=True)
    log_likelihood = 0.0
    for ch1, ch2 in zip("emma", "mma."):
        log_likelihood += lib.log(P[stoi[ch1], stoi[ch2]])
    return [P, log_likelihood, N[0].tolist()]


def one_hot_softmax_regression(lib):
    F = lib.nn.functional
    xs, ys = lib.tensor([0, 5, 13, 13, 1]), lib.tensor([5, 13, 13, 1, 0])
    W = t(lib, 27, 27).requires_grad_()
    out = []
    for _ in range(3):
        xenc = F.one_hot(xs, num_classes=27).float()
        logits = xenc @ W
        counts = logits.exp()
        probs = counts / counts.sum(1, keepdims=True)
        loss = -probs[lib.arange(5), ys].log().mean() + 0.01 * (W**2).mean()
        W.grad = None
        loss.backward()
        W.data += -10 * W.grad
        out.append(loss.item())
    return out


def embedding_by_indexing_and_batchnorm_by_hand(lib):
    g = lib.Generator().manual_seed(2147483647)
    assert lib.randn((2, 3), generator=g).shape == (2, 3)
    C, W1, W2 = t(lib, 27, 4), t(lib, 12, 16, seed=1) * (5 / 3) / (12**0.5), t(lib, 16, 27, seed=2) * 0.01
    bngain, bnbias = lib.ones((1, 16)), lib.zeros((1, 16))
    parameters = [C, W1, W2, bngain, bnbias]
    for p in parameters:
        p.requires_grad = True
    X = lib.tensor(numpy.random.default_rng(3).integers(0, 27, (32, 3)))
    Y = lib.tensor(numpy.random.default_rng(4).integers(0, 27, (32,)))
    emb = C[X]
    hpreact = emb.view(emb.shape[0], -1) @ W1
    mean, std = hpreact.mean(0, keepdim=True), hpreact.std(0, keepdim=True)
    h = lib.tanh(bngain * (hpreact - mean) / (std + 1e-5) + bnbias)
    logits = h @ W2
    loss = lib.nn.functional.cross_entropy(logits, Y)
    for p in parameters:
        p.grad = None
    loss.backward()
    return [loss, *(p.grad for p in parameters), sum(p.nelement() for p in parameters), (h.abs() > 0.99).float().mean()]


def nano_gpt_attention(lib):
    nn, F = lib.nn, lib.nn.functional
    assert "fused" in inspect.signature(lib.optim.AdamW).parameters
    assert hasattr(F, "scaled_dot_product_attention")
    x = t(lib, 2, 5, 12)
    layer = nn.Linear(12, 36, bias=False)
    with lib.no_grad():
        layer.weight.copy_(t(lib, 36, 12, seed=1))
    q, k, v = layer(x).split(12, dim=2)
    q, k, v = (z.view(2, 5, 3, 4).transpose(1, 2) for z in (q, k, v))
    y = F.scaled_dot_product_attention(q, k, v, attn_mask=None, dropout_p=0.0, is_causal=True)
    y = y.transpose(1, 2).contiguous().view(2, 5, 12)
    return [y, F.layer_norm(y, (12,), lib.ones(12), None, 1e-5), layer(y[:, [-1], :])]


def rotary_embeddings_and_rms_norm(lib):
    x = t(lib, 2, 6, 3, 8)
    freqs = 1.0 / (10000.0 ** (lib.arange(0, 8, 2)[:4].float() / 8))
    angles = lib.outer(lib.arange(6, device=freqs.device).float(), freqs)
    cos, sin = lib.cos(angles)[None, :, None, :], lib.sin(angles)[None, :, None, :]
    x1, x2 = x[..., ::2], x[..., 1::2]
    rotated = lib.stack((x1 * cos - x2 * sin, x1 * sin + x2 * cos), dim=-1).flatten(-2)
    normed = rotated * lib.rsqrt(rotated.pow(2).mean(-1, keepdim=True) + 1e-6)
    kv = normed[:, :, :, None, :].expand(2, 6, 3, 2, 8).reshape(2, 6, 6, 8)
    return [rotated, normed, kv, lib.nn.functional.silu(x1) * x2]


def subsequent_mask_and_label_smoothing(lib):
    nn = lib.nn
    mask = lib.triu(lib.ones((1, 4, 4)), diagonal=1).type(lib.uint8) == 0
    scores = t(lib, 1, 4, 4).masked_fill(mask == 0, -1e9)
    criterion = nn.KLDivLoss(reduction="sum")
    x, target = t(lib, 4, 5).log_softmax(-1).requires_grad_(), lib.LongTensor([2, 1, 0, 3])
    true_dist = x.data.clone()
    true_dist.fill_(0.1 / (5 - 2))
    true_dist.scatter_(1, target.data.unsqueeze(1), 0.9)
    true_dist[:, 0] = 0
    padding = lib.nonzero(target.data == 0)
    if padding.dim() > 0:
        true_dist.index_fill_(0, padding.squeeze(), 0.0)
    loss = criterion(x, true_dist.clone().detach())
    loss.backward()
    return [scores.softmax(dim=-1), loss, x.grad]


def sampling_filters(lib):
    logits = t(lib, 2, 10)
    v, _ = lib.topk(logits, min(4, logits.size(-1)))
    top = logits.clone()
    top[top < v[:, [-1]]] = -float("Inf")
    sorted_logits, sorted_indices = lib.sort(logits, descending=True)
    cumulative = lib.cumsum(lib.nn.functional.softmax(sorted_logits, dim=-1), dim=-1)
    remove = cumulative > 0.6
    remove[..., 1:] = remove[..., :-1].clone()
    remove[..., 0] = 0
    nucleus = logits.masked_fill(remove.scatter(1, sorted_indices, remove), float("-inf"))
    assert lib.multinomial(top.softmax(-1), num_samples=1).shape == (2, 1)
    return [top, nucleus, nucleus.softmax(-1), lib.logsumexp(logits, dim=-1)]
