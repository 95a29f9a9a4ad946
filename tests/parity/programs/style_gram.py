"""Optimising an image: content and Gram-matrix losses captured by modules in the middle, total variation."""

from tests.parity.programs.common import fill, images


def run(torch):
    nn, F = torch.nn, torch.nn.functional

    def gram_matrix(input):
        a, b, c, d = input.size()
        features = input.view(a * b, c * d)
        G = torch.mm(features, features.t())
        return G.div(a * b * c * d)

    class ContentLoss(nn.Module):
        def __init__(self, target):
            super().__init__()
            self.target = target.detach()

        def forward(self, input):
            self.loss = F.mse_loss(input, self.target)
            return input

    class StyleLoss(nn.Module):
        def __init__(self, target_feature):
            super().__init__()
            self.target = gram_matrix(target_feature).detach()

        def forward(self, input):
            G = gram_matrix(input)
            self.loss = F.mse_loss(G, self.target)
            return input

    class Normalization(nn.Module):
        def __init__(self, mean, std):
            super().__init__()
            self.mean = mean.clone().detach().view(-1, 1, 1)
            self.std = std.clone().detach().view(-1, 1, 1)

        def forward(self, img):
            return (img - self.mean) / self.std

    cnn = fill(torch, nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1)), 87).eval()
    style, content = images(torch, 88, 1, 3), images(torch, 89, 1, 3)
    model = nn.Sequential(Normalization(torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])))
    style_losses, content_losses = [], []
    for i, layer in enumerate(cnn.children()):
        if isinstance(layer, nn.ReLU):
            layer = nn.ReLU(inplace=False)
        model.add_module(f"layer_{i}", layer)
        if isinstance(layer, nn.Conv2d):
            content_losses.append(ContentLoss(model(content).detach()))
            model.add_module(f"content_loss_{i}", content_losses[-1])
            style_losses.append(StyleLoss(model(style).detach()))
            model.add_module(f"style_loss_{i}", style_losses[-1])
    input_img = content.clone()
    input_img.requires_grad_(True)
    model.requires_grad_(False)
    optimizer = torch.optim.LBFGS([input_img], max_iter=4)
    run_, losses = [0], []
    while run_[0] <= 8:

        def closure():
            with torch.no_grad():
                input_img.clamp_(0, 1)
            optimizer.zero_grad()
            model(input_img)
            style_score = content_score = 0
            for sl in style_losses:
                style_score += sl.loss
            for cl in content_losses:
                content_score += cl.loss
            tv = (input_img[:, :, 1:] - input_img[:, :, :-1]).abs().mean() + (
                input_img[..., 1:] - input_img[..., :-1]
            ).abs().mean()
            loss = style_score * 1000 + content_score + 0.1 * tv
            loss.backward()
            run_[0] += 1
            losses.extend([style_score.item(), content_score.item()])
            return style_score + content_score

        optimizer.step(closure)
    return losses
