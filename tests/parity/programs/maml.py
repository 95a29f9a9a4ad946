"""Model-agnostic meta-learning on sinusoids: gradient steps inside the graph, fast weights by hand."""

from collections import OrderedDict

import numpy


def run(torch):
    nn, F = torch.nn, torch.nn.functional
    rng = numpy.random.default_rng(31)

    def tensor(a):
        return torch.tensor(a, dtype=torch.get_default_dtype())

    shapes = OrderedDict(w1=(16, 1), b1=(16,), w2=(16, 16), b2=(16,), w3=(1, 16), b3=(1,))
    params = OrderedDict(
        (name, nn.Parameter(tensor(rng.standard_normal(shape) * 0.4))) for name, shape in shapes.items()
    )

    def net(x, weights):
        x = F.relu(F.linear(x, weights["w1"], weights["b1"]))
        x = F.relu(F.linear(x, weights["w2"], weights["b2"]))
        return F.linear(x, weights["w3"], weights["b3"])

    meta_optimizer = torch.optim.Adam(params.values(), lr=1e-2)
    losses = []
    for _ in range(5):
        meta_loss = 0.0
        for _task in range(3):
            amplitude, phase = rng.uniform(0.1, 5.0), rng.uniform(0, 3.14)
            x = rng.uniform(-5, 5, (20, 1))
            y = amplitude * numpy.sin(x + phase)
            xs, ys, xq, yq = tensor(x[:10]), tensor(y[:10]), tensor(x[10:]), tensor(y[10:])
            fast_weights = params
            for _inner in range(2):
                loss = F.mse_loss(net(xs, fast_weights), ys)
                grads = torch.autograd.grad(loss, fast_weights.values(), create_graph=True)
                fast_weights = OrderedDict(
                    (name, param - 0.01 * grad) for ((name, param), grad) in zip(fast_weights.items(), grads)
                )
            meta_loss = meta_loss + F.mse_loss(net(xq, fast_weights), yq)
        meta_loss = meta_loss / 3
        meta_optimizer.zero_grad()
        meta_loss.backward()
        meta_optimizer.step()
        losses.append(meta_loss.item())
    return losses
