"""Averages of weights: stochastic weight averaging with its schedule, and an exponential average by hand."""

import copy

from tests.parity.programs.common import draw, fill


def run(torch):
    nn = torch.nn
    AveragedModel, SWALR, update_bn = (
        torch.optim.swa_utils.AveragedModel, torch.optim.swa_utils.SWALR, torch.optim.swa_utils.update_bn
    )  # fmt: skip

    class EMA:
        def __init__(self, model, decay=0.9):
            self.module = copy.deepcopy(model)
            self.module.eval()
            self.decay = decay

        @torch.no_grad()
        def update(self, model):
            for ema_v, model_v in zip(self.module.state_dict().values(), model.state_dict().values()):
                ema_v.copy_(self.decay * ema_v + (1.0 - self.decay) * model_v)

    model = fill(torch, nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1)), 64)
    x, y = draw(torch, 65, 40, 4), draw(torch, 66, 40, 1)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=10)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    swa_model, ema = AveragedModel(model), EMA(model)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=5)
    swa_scheduler = SWALR(optimizer, swa_lr=0.05, anneal_epochs=2)
    losses = []
    for epoch in range(6):
        for input, target in loader:
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(input), target)
            loss.backward()
            optimizer.step()
            ema.update(model)
            losses.append(loss.item())
        if epoch > 2:
            swa_model.update_parameters(model)
            swa_scheduler.step()
        else:
            scheduler.step()
        losses.append(optimizer.param_groups[0]["lr"])
    update_bn(loader, swa_model)
    swa_model.eval()
    with torch.no_grad():
        losses += [nn.functional.mse_loss(m(x), y).item() for m in (swa_model, ema.module)]
    return losses
