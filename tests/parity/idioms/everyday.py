"""Lines that every program has: numbers, slices, modules, optimizers, switches.

Each function takes the engine and returns what is compared.
"""

import numpy

from tests.parity.programs.common import normal as t


def numbers_keep_float32(lib):
    x = t(lib, 2, 3)
    d = numpy.float64(64.0)
    return [
        x / numpy.sqrt(d),
        x * numpy.float32(2),
        numpy.float64(2.0) * x,
        x ** numpy.float64(2),
        1 / (1 + x.abs()),
        x + numpy.int64(1),
        lib.tensor(numpy.arange(3)) + 0.5,
        lib.tensor([1, 2]) / 2,
        2 ** lib.tensor([1, 2]),
    ]


def slices_and_masks(lib):
    x = lib.arange(24).view(2, 3, 4).float()
    y = x.clone()
    y[:, 1] = -1
    y[y > 20] = 0
    y[0, :, ::2] *= 10
    y[..., -1] += lib.tensor([1.0, 2, 3])
    y[1, [0, 2]] = lib.zeros(2, 4)
    y[lib.tensor([True, False]), 0, 0] = 99
    return [
        y,
        x[:, None, 1:].shape,
        x[0, lib.tensor([0, 2])],
        x[x > 5][:3],
        x[:, -1, 1::2],
        x[1][2][3],
        x[None].size(0),
    ]


def shapes_and_sizes(lib):
    x = lib.zeros(2, 3, 4)
    B, T, C = x.shape
    n, *rest = x.size()
    return [
        B * T * C,
        n,
        rest,
        x.numel(),
        x.shape[-1],
        len(x),
        x.dim(),
        x.size(-1),
        list(x.shape),
        x.shape == (2, 3, 4),
        x.new_zeros(x.size(0), 1).shape,
        lib.Size([2, 3]).numel(),
        tuple(x.stride()),
        x.element_size(),
    ]


def printing(lib):
    x = lib.tensor([[1.0, -2.5], [3.25, 1e-3]])
    return [
        str(x),
        repr(lib.arange(3)),
        f"{x.mean():.4f}",
        f"{x.mean().item():8.3f}",
        "%.3f" % x[0, 0],
        str(lib.tensor([True, False])),
        str(lib.tensor(3.5)),
        str(x.shape).replace("torch.", ""),
        format(x[0, 1], ".1f"),
        str(lib.zeros(0)),
        str(lib.tensor([1.0, float("inf"), float("nan")])),
    ]


def conversions(lib):
    x = lib.tensor([1.7, -2.3])
    return [
        x.int(),
        x.long(),
        x.abs().byte(),
        x.bool(),
        x.half().float(),
        x.double(),
        x.to(lib.int8),
        x.numpy() * 2,
        numpy.asarray(x),
        lib.from_numpy(numpy.ones(2)),
        lib.tensor(numpy.float32(2.5)),
        x.tolist(),
        lib.FloatTensor([1, 2]),
        lib.LongTensor([[1], [2]]),
        lib.Tensor(2, 3).shape,
        lib.as_tensor([1, 2]).dtype == lib.int64,
        x.type(lib.FloatTensor),
        lib.is_tensor(x),
        isinstance(x, lib.Tensor),
        x.dtype == lib.float32,
        x.is_cuda,
    ]


def named_results(lib):
    x = t(lib, 3, 5)
    values, indices = x.max(dim=1)
    best = lib.sort(x, dim=1, descending=True)
    return [
        values,
        indices,
        best.values,
        best.indices,
        x.median(dim=1).values,
        x.topk(2).indices,
        lib.max(x, 1)[1],
        x.kthvalue(2, dim=1).values,
        lib.std_mean(x, dim=0),
        x.min(0).indices,
        lib.aminmax(x).max,
        x.cummax(1).values,
    ]


def gradients_that_are_none_and_accumulate(lib):
    w = lib.ones(3, requires_grad=True)
    unused = lib.ones(2, requires_grad=True)
    for k in range(3):
        (w * k).sum().backward()
    first = w.grad.clone()
    g = lib.autograd.grad((w**3).sum(), [w, unused], allow_unused=True)
    detached = (w * 2).detach()
    y = w * 2
    y.retain_grad()
    y.sum().backward()
    handle = w.register_hook(lambda grad: grad * 10)
    (w * 1).sum().backward()
    handle.remove()
    return [
        first,
        g[0],
        g[1] is None,
        unused.grad is None,
        detached.requires_grad,
        y.grad,
        w.grad,
        y.is_leaf,
        w.is_leaf,
    ]


def modules_with_state(lib):
    nn = lib.nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList([nn.Linear(2, 2) for _ in range(3)])
            self.heads = nn.ModuleDict({"a": nn.Linear(2, 1), "b": nn.Identity()})
            self.scale = nn.Parameter(lib.tensor(2.0))
            self.extra = nn.ParameterList([nn.Parameter(lib.zeros(2)) for _ in range(2)])
            self.register_buffer("steps", lib.tensor(0))
            self.register_buffer("cache", None, persistent=False)

        def forward(self, x, head="a"):
            self.steps += 1
            for layer in self.layers:
                x = lib.tanh(layer(x)) + x
            return self.heads[head](x) * self.scale + self.extra[0].sum()

    net = Net()
    with lib.no_grad():
        for i, p in enumerate(net.parameters()):
            p.copy_(t(lib, *p.shape, seed=i) if p.dim() else lib.tensor(2.0))
    calls = []
    net.layers[0].register_forward_pre_hook(lambda module, args: calls.append("pre"))
    net.layers[0].register_forward_hook(lambda module, args, out: calls.append("post"))
    out = net(t(lib, 4, 2, seed=20))
    state = net.state_dict()
    again = Net()
    keys = again.load_state_dict({k: v for k, v in state.items() if "heads" not in k}, strict=False)
    return [
        out,
        list(state),
        calls,
        sorted(keys.missing_keys),
        net.steps,
        net.training,
        net.eval().training,
        [n for n, _ in net.named_modules()],
        [n for n, _ in net.named_buffers()],
        str(net),
    ]


def optimizer_groups_and_schedules(lib):
    w, b = lib.ones(2, requires_grad=True), lib.zeros(1, requires_grad=True)
    optimizer = lib.optim.Adam([{"params": [w], "lr": 0.1}, {"params": [b]}], lr=0.01, weight_decay=0.01)
    warm = lib.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.1, total_iters=2)
    main = lib.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=3)
    schedule = lib.optim.lr_scheduler.SequentialLR(optimizer, schedulers=[warm, main], milestones=[2])
    rates = []
    for _ in range(6):
        optimizer.zero_grad()
        ((w * 3).sum() + b - 1).pow(2).sum().backward()
        optimizer.step()
        schedule.step()
        rates.append([group["lr"] for group in optimizer.param_groups])
    for group in optimizer.param_groups:
        group["lr"] *= 0.5
    saved = optimizer.state_dict()
    return [rates, w, b, saved["param_groups"][0]["lr"], sorted(saved["state"][0]), schedule.get_last_lr()]


def scripts_touch_these_switches(lib):
    lib.manual_seed(0)
    lib.cuda.manual_seed_all(0)
    device = lib.device("cuda:0" if lib.cuda.is_available() else "cpu")
    scaler = lib.amp.GradScaler("cuda", enabled=False)
    model = lib.compile(lib.nn.Linear(2, 1).to(device))
    optimizer = lib.optim.SGD(model.parameters(), lr=0.1)
    with lib.autocast(device_type=device.type, enabled=False):
        loss = model(lib.ones(3, 2, device=device)).pow(2).mean()
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    with lib.autograd.set_detect_anomaly(True), lib.set_grad_enabled(False):
        silent = model(lib.ones(1, 2)).requires_grad
    return [str(device), device.type, silent, lib.is_grad_enabled(), lib.get_default_dtype() == lib.float32]


def statistics_of_batches(lib):
    x = t(lib, 4, 5)
    return [
        x.var(unbiased=False),
        x.std(0, unbiased=True),
        x.mean([0, 1]),
        lib.var_mean(x, dim=1, correction=0),
        x.norm(),
        x.norm(p=1, dim=1),
        x.quantile(0.25),
        lib.histc(x, bins=4, min=-2, max=2),
        x.cumsum(1)[:, -1],
        x.prod(1),
        x.abs().amax(),
        lib.corrcoef(x),
        lib.cov(x),
        x.softmax(1).log().mean(),
        lib.isclose(x, x + 1e-9).all(),
        lib.nan_to_num(x / 0 * 0),
    ]
