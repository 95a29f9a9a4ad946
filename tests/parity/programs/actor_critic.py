"""Actor and critic sharing a body, with entropy, smooth L1 value losses and a target network."""

import copy
from collections import namedtuple

import numpy

from tests.parity.programs.common import fill


def run(torch):
    nn, F = torch.nn, torch.nn.functional
    Categorical = torch.distributions.Categorical
    SavedAction = namedtuple("SavedAction", ["log_prob", "value", "entropy"])

    class ActorCritic(nn.Module):
        def __init__(self):
            super().__init__()
            self.affine1 = nn.Linear(4, 16)
            self.action_head = nn.Linear(16, 3)
            self.value_head = nn.Linear(16, 1)

        def forward(self, x):
            x = F.relu(self.affine1(x))
            action_prob = F.softmax(self.action_head(x), dim=-1)
            state_values = self.value_head(x)
            return action_prob, state_values

    model = fill(torch, ActorCritic(), 41)
    target = copy.deepcopy(model)
    for p in target.parameters():
        p.requires_grad_(False)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-2, amsgrad=True)
    rng = numpy.random.default_rng(42)
    losses = []
    for _ in range(5):
        saved_actions, rewards = [], []
        state = rng.standard_normal(4)
        for _t in range(8):
            x = torch.as_tensor(state, dtype=torch.get_default_dtype())
            probs, state_value = model(x)
            m = Categorical(probs=probs)
            action = torch.tensor(int(rng.integers(3)))
            saved_actions.append(SavedAction(m.log_prob(action), state_value, m.entropy()))
            rewards.append(float(rng.uniform()))
            state = 0.8 * state + 0.2 * rng.standard_normal(4)
        R, returns = 0, []
        for r in rewards[::-1]:
            R = r + 0.95 * R
            returns.insert(0, R)
        returns = torch.tensor(returns)
        returns = (returns - returns.mean()) / (returns.std() + 1e-7)
        policy_losses, value_losses, entropy = [], [], 0
        for (log_prob, value, ent), R in zip(saved_actions, returns):
            advantage = R - value.item()
            policy_losses.append(-log_prob * advantage)
            value_losses.append(F.smooth_l1_loss(value, torch.tensor([R])))
            entropy = entropy + ent
        optimizer.zero_grad()
        loss = torch.stack(policy_losses).sum() + torch.stack(value_losses).sum() - 0.01 * entropy
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for old, new in zip(target.parameters(), model.parameters()):
                old.mul_(0.9).add_(new, alpha=0.1)
        losses += [loss.item(), target.affine1.weight.sum().item()]
    return losses
