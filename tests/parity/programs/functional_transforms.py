"""torch.func: per-sample gradients by vmap, Jacobians, Hessians, and an ensemble through functional_call."""

from tests.parity.programs.common import draw, fill


def run(torch):
    nn, F = torch.nn, torch.nn.functional
    grad, vmap, jacrev, hessian, functional_call = (
        torch.func.grad, torch.func.vmap, torch.func.jacrev, torch.func.hessian, torch.func.functional_call
    )  # fmt: skip
    model = fill(torch, nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1)), 80)
    x, y = draw(torch, 81, 7, 3), draw(torch, 82, 7, 1)
    params = {k: v.detach() for k, v in model.named_parameters()}
    buffers = {k: v.detach() for k, v in model.named_buffers()}

    def compute_loss(params, buffers, sample, target):
        batch = sample.unsqueeze(0)
        targets = target.unsqueeze(0)
        predictions = functional_call(model, (params, buffers), (batch,))
        return F.mse_loss(predictions, targets)

    ft_per_sample_grads = vmap(grad(compute_loss), in_dims=(None, None, 0, 0))(params, buffers, x, y)
    results = [g.pow(2).sum().item() for g in ft_per_sample_grads.values()]
    results += ft_per_sample_grads["0.weight"].flatten(1).norm(dim=1).tolist()

    def f(v):
        return (v.sin() * v.flip(0)).cumsum(0)

    point = draw(torch, 83, 4)
    results += jacrev(f)(point).flatten().tolist()
    results += hessian(lambda v: f(v).sum() ** 2)(point).flatten().tolist()
    results += torch.autograd.functional.jacobian(f, point).diagonal().tolist()
    results += torch.autograd.functional.hvp(lambda v: (f(v) ** 2).sum(), point, torch.ones(4))[1].tolist()
    lr, losses = 0.1, []
    for _ in range(5):
        value = functional_call(model, params, (x,))
        losses.append(F.mse_loss(value, y).item())
        grads = grad(lambda p: F.mse_loss(functional_call(model, p, (x,)), y))(params)
        params = {k: params[k] - lr * grads[k] for k in params}
    return results + losses
