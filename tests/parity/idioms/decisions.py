"""Lines of reinforcement learning.

Each function takes the engine and returns what is compared.
"""

import numpy

from tests.parity.programs.common import normal as t


def proximal_policy_loss(lib):
    dist = lib.distributions
    logits = t(lib, 6, 3).requires_grad_()
    actions = lib.tensor([0, 1, 2, 0, 1, 2])
    old = dist.Categorical(logits=t(lib, 6, 3, seed=1)).log_prob(actions)
    policy = dist.Categorical(logits=logits)
    ratio = (policy.log_prob(actions) - old).exp()
    advantages = t(lib, 6, seed=2)
    advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    loss = -lib.min(ratio * advantages, ratio.clamp(0.8, 1.2) * advantages).mean() - 0.01 * policy.entropy().mean()
    loss.backward()
    return [loss, logits.grad, policy.probs, dist.kl_divergence(policy, dist.Categorical(logits=logits.detach() * 0.5))]


def squashed_gaussian_policy(lib):
    mean, log_std = t(lib, 5, 2), lib.clamp(t(lib, 5, 2, seed=1), min=-20, max=2).requires_grad_()
    normal = lib.distributions.Normal(mean, log_std.exp())
    assert normal.rsample().shape == (5, 2)
    x = mean + log_std.exp() * t(lib, 5, 2, seed=2)
    log_prob = normal.log_prob(x) - lib.log(1 - lib.tanh(x).pow(2) + 1e-6)
    log_prob.sum(-1, keepdim=True).mean().backward()
    target, source = lib.nn.Linear(2, 2), lib.nn.Linear(2, 2)
    target.load_state_dict(source.state_dict())
    for tp, sp in zip(target.parameters(), source.parameters()):
        tp.data.copy_(tp.data * (1.0 - 0.005) + sp.data * 0.005)
    return [log_prob, log_std.grad, normal.entropy(), normal.cdf(x), normal.icdf(lib.tensor(0.3))]


def generalised_advantages(lib):
    rewards, values, dones = t(lib, 6), t(lib, 7, seed=1), lib.tensor([0.0, 0, 1, 0, 0, 0])
    advantages, last = lib.zeros_like(rewards), 0
    for step in reversed(range(6)):
        delta = rewards[step] + 0.99 * values[step + 1] * (1 - dones[step]) - values[step]
        advantages[step] = last = delta + 0.99 * 0.95 * (1 - dones[step]) * last
    return [advantages, advantages + values[:-1], lib.as_tensor(numpy.float64(3.0)).dtype == lib.float64]
