"""Explanations and attacks: saliency, integrated gradients, hooks, FGSM and projected steps."""

from tests.parity.programs.common import draw, fill, images, labels


def run(torch):
    nn, F = torch.nn, torch.nn.functional
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 3)
    )  # fmt: skip
    fill(torch, model, 76).eval()
    data, target = images(torch, 77, 6), labels(torch, 78, 3, 6)
    results = []

    activations, gradients = {}, {}

    def forward_hook(module, input, output):
        activations["conv"] = output.detach()

    def backward_hook(module, grad_input, grad_output):
        gradients["conv"] = grad_output[0].detach()

    handles = [model[0].register_forward_hook(forward_hook), model[0].register_full_backward_hook(backward_hook)]
    x = data.clone().detach().requires_grad_(True)
    scores = model(x)
    scores.gather(1, target.view(-1, 1)).squeeze().backward(torch.ones(6))
    saliency, _ = torch.max(x.grad.data.abs(), dim=1)
    results += [saliency.sum().item(), saliency.max().item()]
    weights = gradients["conv"].mean(dim=(2, 3), keepdim=True)
    cam = F.relu((weights * activations["conv"]).sum(dim=1))
    cam = (cam - cam.amin()) / (cam.amax() - cam.amin() + 1e-8)
    results += cam.mean(dim=(1, 2)).tolist()
    for handle in handles:
        handle.remove()

    baseline = torch.zeros_like(data)
    total = 0
    for alpha in torch.linspace(0.1, 1.0, 10):
        point = (baseline + alpha * (data - baseline)).requires_grad_()
        out = model(point)[torch.arange(6), target].sum()
        total = total + torch.autograd.grad(out, point)[0]
    attributions = (data - baseline) * total / 10
    results += attributions.flatten(1).sum(1).tolist()

    def fgsm_attack(image, epsilon, data_grad):
        sign_data_grad = data_grad.sign()
        perturbed_image = image + epsilon * sign_data_grad
        return torch.clamp(perturbed_image, 0, 1)

    for eps in (0, 0.05, 0.1):
        data.requires_grad = True
        output = model(data)
        init_pred = output.max(1, keepdim=True)[1]
        loss = F.nll_loss(F.log_softmax(output, dim=1), target)
        model.zero_grad()
        loss.backward()
        perturbed = fgsm_attack(data, eps, data.grad.data)
        final = model(perturbed)
        results += [loss.item(), F.cross_entropy(final, target).item(), init_pred.float().mean().item()]
        data = data.detach()

    adversarial = data + 0.01 * draw(torch, 79, 6, 1, 8, 8)
    for _ in range(3):
        adversarial = adversarial.detach().requires_grad_(True)
        loss = F.cross_entropy(model(adversarial), target)
        loss.backward()
        with torch.no_grad():
            adversarial = adversarial + 0.02 * torch.sign(adversarial.grad)
            delta = torch.clamp(adversarial - data, min=-0.1, max=0.1)
            adversarial = torch.clamp(data + delta, min=0, max=1)
        results.append(loss.item())
    return results
