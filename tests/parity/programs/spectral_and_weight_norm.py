"""Normalised weights, orthogonal starts, freezing, two optimizers, and gradients read by name."""

from tests.parity.programs.common import draw, fill


def run(torch):
    nn = torch.nn
    body = nn.Sequential()
    body.add_module("fc1", nn.utils.weight_norm(fill(torch, nn.Linear(5, 8), 96), name="weight"))
    body.add_module("act", nn.Tanh())
    body.add_module("fc2", nn.Linear(8, 8))
    nn.init.orthogonal_(body.fc2.weight)
    fill(torch, body.fc2, 97)
    model = nn.ModuleDict({"body": body, "head": fill(torch, nn.Linear(8, 1), 98)})
    names = sorted(name for name, _ in model.named_parameters())
    assert "body.fc1.weight_g" in names
    assert "body.fc1.weight_v" in names
    for name, parameter in model.named_parameters():
        if name.startswith("body.fc2"):
            parameter.requires_grad = False
    x, y = draw(torch, 99, 20, 5), draw(torch, 100, 20, 1)
    optimizer = torch.optim.Rprop(filter(lambda p: p.requires_grad, model.parameters()), lr=0.01)
    losses = []
    for _ in range(6):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model["head"](model["body"](x)), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert model["body"].fc2.weight.grad is None
    total_norm = torch.sqrt(sum(p.grad.detach().norm() ** 2 for p in model.parameters() if p.grad is not None))
    vector = nn.utils.parameters_to_vector(model.parameters())
    nn.utils.vector_to_parameters(vector * 0.5, model.parameters())
    halved = nn.functional.mse_loss(model["head"](model["body"](x)), y)
    return [*losses, total_norm.item(), vector.norm().item(), halved.item()]
