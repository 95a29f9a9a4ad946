"""Lines of programs that see.

Each function takes the engine and returns what is compared.
"""

import copy
import math

from tests.parity.programs.common import normal as t


def vision_transformer_patches(lib):
    nn = lib.nn
    x = t(lib, 2, 3, 8, 8)
    patches = x.unfold(2, 4, 4).unfold(3, 4, 4).permute(0, 2, 3, 1, 4, 5).reshape(2, 4, -1)
    cls = nn.Parameter(lib.zeros(1, 1, 48)).expand(2, -1, -1)
    tokens = lib.cat([cls, patches], dim=1) + nn.Parameter(t(lib, 1, 5, 48, seed=2))
    same = nn.functional.unfold(x, kernel_size=4, stride=4).transpose(1, 2)
    return [tokens, same, nn.functional.fold(same.transpose(1, 2), (8, 8), 4, stride=4), tokens[:, 0]]


def contrastive_losses(lib):
    F = lib.nn.functional
    z = F.normalize(t(lib, 8, 5), dim=1)
    similarity = lib.mm(z, z.t()) / 0.5
    mask = lib.eye(8, dtype=lib.bool)
    similarity = similarity.masked_fill(mask, -9e15)
    positives = mask.roll(shifts=4, dims=0)
    nll = (-similarity[positives] + lib.logsumexp(similarity, dim=-1)).mean()
    labels = lib.arange(8).repeat(2)[:8]
    image, text = F.normalize(t(lib, 8, 5, seed=1), p=2, dim=-1), F.normalize(t(lib, 8, 5, seed=2), p=2, dim=-1)
    logits = image @ text.T * lib.tensor(math.log(1 / 0.07)).exp()
    clip = (F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels)) / 2
    off = F.normalize(t(lib, 6, 4), dim=0).T @ F.normalize(t(lib, 6, 4, seed=3), dim=0)
    twins = (lib.diagonal(off).add(-1).pow(2).sum()) + 0.005 * (off - lib.diag(lib.diag(off))).pow(2).sum()
    return [nll, clip, twins, F.cosine_similarity(z[:4], z[4:]), lib.cdist(z, z, p=2).fill_diagonal_(0).sum()]


def distillation(lib):
    F, nn = lib.nn.functional, lib.nn
    student, teacher, T = t(lib, 6, 4).requires_grad_(), t(lib, 6, 4, seed=1), 3.0
    soft = nn.KLDivLoss(reduction="batchmean")(F.log_softmax(student / T, dim=1), F.softmax(teacher / T, dim=1))
    loss = soft * (0.7 * T * T) + F.cross_entropy(student, lib.tensor([0, 1, 2, 3, 0, 1])) * 0.3
    loss.backward()
    return [loss, student.grad]


def intersection_over_union_and_nms(lib):
    boxes = lib.tensor([[0.0, 0, 4, 4], [1, 1, 5, 5], [6, 6, 9, 9], [0, 0, 4, 3.5]])
    scores = lib.tensor([0.9, 0.8, 0.7, 0.95])
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    lt = lib.max(boxes[:, None, :2], boxes[None, :, :2])
    rb = lib.min(boxes[:, None, 2:], boxes[None, :, 2:])
    inter = (rb - lt).clamp(min=0).prod(2)
    iou = inter / (area[:, None] + area - inter)
    order, keep = scores.sort(0, descending=True)[1], []
    while order.numel() > 0:
        i = order[0].item()
        keep.append(i)
        if order.numel() == 1:
            break
        order = order[1:][iou[i, order[1:]] <= 0.5]
    return [iou, keep, *boxes.unbind(-1)]


def image_gradients_and_blur(lib):
    F = lib.nn.functional
    x = t(lib, 1, 1, 6, 6)
    sobel = lib.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]).view(1, 1, 3, 3)
    gx, gy = F.conv2d(x, sobel, padding=1), F.conv2d(x, sobel.transpose(2, 3), padding=1)
    coords = lib.arange(5, dtype=lib.float) - 2
    g = lib.exp(-(coords**2) / 2)
    g = g / g.sum()
    blurred = F.conv2d(F.pad(x, (2, 2, 2, 2), mode="reflect"), lib.outer(g, g)[None, None])
    grid = lib.stack(lib.meshgrid(lib.linspace(-1, 1, 6), lib.linspace(-1, 1, 6), indexing="xy"), -1)[None]
    return [lib.sqrt(gx**2 + gy**2), blurred, F.grid_sample(x, grid, align_corners=True), F.avg_pool2d(x, 2)]


def weight_initialisation_by_type(lib):
    nn = lib.nn

    def init_weights(m):
        if isinstance(m, (nn.Conv2d, nn.Linear)):
            nn.init.xavier_uniform_(m.weight, gain=nn.init.calculate_gain("relu"))
            if m.bias is not None:
                m.bias.data.zero_()
        elif type(m) is nn.BatchNorm2d:
            m.weight.data.fill_(1)

    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 2)).apply(init_weights)
    total = sum(p.numel() for p in net.parameters())
    shapes = [(name, tuple(p.shape)) for name, p in net.named_parameters()]
    return [
        total,
        [list(shape) for _, shape in shapes],
        [name for name, _ in shapes] == [n for n, _ in shapes],
        net[0].bias,
        len(list(net.children())),
        len(list(net.modules())),
        str(net).count("\n"),
    ]


def freezing_and_replacing_the_head(lib):
    nn = lib.nn
    net = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3))
    for p in net.parameters():
        p.requires_grad = False
    net[2] = nn.Linear(4, 2)
    with lib.no_grad():
        for p in net.parameters():
            p.copy_(lib.ones_like(p) * 0.1)
    optimizer = lib.optim.SGD(filter(lambda p: p.requires_grad, net.parameters()), lr=0.1)
    net(t(lib, 3, 4)).sum().backward()
    optimizer.step()
    features = nn.Sequential(*list(net.children())[:-1])
    clone = copy.deepcopy(net)
    return [
        net[2].weight,
        net[0].weight.grad is None,
        features(t(lib, 3, 4)),
        clone[2].bias,
        len(optimizer.param_groups),
    ]
