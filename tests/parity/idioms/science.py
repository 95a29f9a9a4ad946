"""Lines of programs that differentiate equations, factor matrices and cluster points.

Each function takes the engine and returns what is compared.
"""

import math

from tests.parity.programs.common import normal as t


def laplacian_by_autograd(lib):
    x = t(lib, 5, 2).requires_grad_()
    u = (lib.sin(x[:, 0]) * lib.exp(x[:, 1])).unsqueeze(1)
    grad = lib.autograd.grad(u.sum(), x, create_graph=True)[0]
    second = [lib.autograd.grad(grad[:, i].sum(), x, create_graph=True)[0][:, i] for i in range(2)]
    return [grad, sum(second), lib.autograd.grad(sum(second).sum(), x)[0]]


def hamiltonian_vector_field(lib):
    nn = lib.nn
    net = nn.Sequential(nn.Linear(2, 8), nn.Softplus(), nn.Linear(8, 1))
    with lib.no_grad():
        for i, p in enumerate(net.parameters()):
            p.copy_(t(lib, *p.shape, seed=i) * 0.5)
    z = t(lib, 6, 2, seed=9).requires_grad_(True)
    dH = lib.autograd.grad(net(z).sum(), z, create_graph=True)[0]
    field = lib.cat([dH[:, 1:], -dH[:, :1]], dim=1)
    loss = (field - t(lib, 6, 2, seed=10)).pow(2).mean()
    loss.backward()
    return [field, loss, *(p.grad for p in net.parameters() if p.grad is not None)]


def lagrangian_accelerations(lib):
    hessian, jacobian = lib.autograd.functional.hessian, lib.autograd.functional.jacobian

    def lagrangian(state):
        q, v = state[:2], state[2:]
        return 0.5 * (v**2).sum() + (q.cos() * v).sum() * 0.1 - (1 - q.cos()).sum()

    state = t(lib, 4)
    H, J = hessian(lagrangian, state), jacobian(lagrangian, state)
    accelerations = lib.linalg.pinv(H[2:, 2:]) @ (J[:2] - H[2:, :2] @ state[2:])
    return [H, J, accelerations]


def volume_rendering(lib):
    depths = lib.linspace(2.0, 6.0, 8).expand(3, 8)
    sigma, rgb = lib.relu(t(lib, 3, 8)), lib.sigmoid(t(lib, 3, 8, 3, seed=1))
    deltas = depths[..., 1:] - depths[..., :-1]
    deltas = lib.cat([deltas, lib.Tensor([1e10]).expand(deltas[..., :1].shape)], -1)
    alpha = 1.0 - lib.exp(-sigma * deltas)
    weights = alpha * lib.cumprod(lib.cat([lib.ones((3, 1)), 1.0 - alpha + 1e-10], -1), -1)[:, :-1]
    cdf = lib.cumsum((weights + 1e-5) / lib.sum(weights + 1e-5, -1, keepdim=True), -1)
    u = lib.linspace(0.0, 1.0, steps=5).expand(3, 5).contiguous()
    inds = lib.searchsorted(cdf, u, right=True)
    below, above = lib.max(lib.zeros_like(inds - 1), inds - 1), lib.min((cdf.shape[-1] - 1) * lib.ones_like(inds), inds)
    inds_g = lib.stack([below, above], -1)
    picked = lib.gather(cdf.unsqueeze(1).expand([3, 5, 8]), 2, inds_g)
    i, j = lib.meshgrid(lib.arange(3), lib.arange(2), indexing="ij")
    encoded = lib.cat([f(depths * 2.0**k) for k in range(3) for f in (lib.sin, lib.cos)], -1)
    return [lib.sum(weights[..., None] * rgb, -2), picked, i, j, encoded, inds]


def gaussian_process_regression(lib):
    x, y = lib.linspace(0, 1, 8).unsqueeze(1).double(), lib.linspace(0, 1, 8).double().mul(6).sin()
    length = lib.tensor(0.3, dtype=lib.float64, requires_grad=True)
    K = lib.exp(-0.5 * lib.cdist(x, x).pow(2) / length**2) + 1e-2 * lib.eye(8, dtype=lib.float64)
    L = lib.linalg.cholesky(K)
    alpha = lib.cholesky_solve(y.unsqueeze(-1), L)
    nll = 0.5 * y @ alpha.squeeze() + L.diagonal().log().sum() + 4 * math.log(2 * math.pi)
    nll.backward()
    m = lib.distributions.MultivariateNormal(lib.zeros(8, dtype=lib.float64), scale_tril=L.detach())
    return [nll, length.grad, m.log_prob(y), lib.logdet(K), lib.linalg.solve(K, y)]


def principal_components(lib):
    X = t(lib, 10, 4).double()
    X = X - X.mean(dim=0)
    U, S, Vh = lib.linalg.svd(X, full_matrices=False)
    values, vectors = lib.linalg.eigh(X.T @ X / 9)
    return [S, values, (X @ Vh.T[:, :2]).abs(), vectors.abs(), lib.linalg.matrix_rank(X), lib.linalg.norm(X, dim=1)]


def gradient_descent_on_a_matrix(lib):
    A, b = t(lib, 5, 3), t(lib, 5, seed=1)
    x = lib.zeros(3, requires_grad=True)
    history = []
    for _ in range(5):
        loss = lib.norm(A @ x - b) ** 2
        loss.backward()
        with lib.no_grad():
            x -= 0.05 * x.grad
        x.grad.zero_()
        history.append(float(loss))
    return [history, x, lib.linalg.lstsq(A, b.unsqueeze(1)).solution]


def k_means_and_one_hot_sums(lib):
    points, centres = t(lib, 20, 2), t(lib, 3, 2, seed=1)
    for _ in range(3):
        nearest = ((points[:, None] - centres[None]) ** 2).sum(-1).argmin(1)
        counts = lib.bincount(nearest, minlength=3).clamp(min=1).unsqueeze(1)
        centres = lib.zeros(3, 2).index_add_(0, nearest, points) / counts
    values, inverse, sizes = lib.unique(nearest, return_inverse=True, return_counts=True)
    return [centres, values, inverse, sizes, lib.zeros(3).scatter_add_(0, nearest, lib.ones(20))]


def graph_convolution(lib):
    A = (t(lib, 6, 6).abs() > 0.8).float()
    A = ((A + A.t()) > 0).float() + lib.eye(6)
    D = lib.diag(A.sum(1).pow(-0.5))
    H = lib.relu(D @ A @ D @ t(lib, 6, 3, seed=1) @ t(lib, 3, 4, seed=2))
    e = lib.nn.functional.leaky_relu(H @ t(lib, 4, 1, seed=3) + (H @ t(lib, 4, 1, seed=4)).T, 0.2)
    attention = lib.where(A > 0, e, -9e15 * lib.ones_like(e)).softmax(dim=1)
    source, target = A.nonzero(as_tuple=True)
    messages = lib.zeros(6, 4).scatter_reduce(0, target[:, None].expand(-1, 4), H[source], reduce="amax")
    return [H, attention @ H, source, messages]
