"""REINFORCE on a toy environment, in the manner of the policy-gradient example."""

import numpy

from tests.parity.programs.common import fill


def run(torch):
    nn, F = torch.nn, torch.nn.functional
    Categorical = torch.distributions.Categorical
    eps = numpy.finfo(numpy.float32).eps.item()

    class Policy(nn.Module):
        def __init__(self):
            super().__init__()
            self.affine1 = nn.Linear(4, 16)
            self.dropout = nn.Dropout(p=0.0)
            self.affine2 = nn.Linear(16, 2)
            self.saved_log_probs = []
            self.rewards = []

        def forward(self, x):
            x = self.affine1(x)
            x = self.dropout(x)
            x = F.relu(x)
            action_scores = self.affine2(x)
            return F.softmax(action_scores, dim=1)

    policy = fill(torch, Policy(), 39)
    optimizer = torch.optim.Adam(policy.parameters(), lr=1e-2)
    rng = numpy.random.default_rng(40)

    def select_action(state):
        state = torch.from_numpy(state).to(torch.get_default_dtype()).unsqueeze(0)
        probs = policy(state)
        m = Categorical(probs)
        assert m.sample().shape == (1,)
        action = torch.tensor([int(rng.integers(2))])
        policy.saved_log_probs.append(m.log_prob(action))
        return action.item()

    def finish_episode():
        R = 0
        policy_loss = []
        returns = []
        for r in policy.rewards[::-1]:
            R = r + 0.99 * R
            returns.insert(0, R)
        returns = torch.tensor(returns)
        returns = (returns - returns.mean()) / (returns.std() + eps)
        for log_prob, R in zip(policy.saved_log_probs, returns):
            policy_loss.append(-log_prob * R)
        optimizer.zero_grad()
        policy_loss = torch.cat(policy_loss).sum()
        policy_loss.backward()
        optimizer.step()
        del policy.rewards[:]
        del policy.saved_log_probs[:]
        return policy_loss.item()

    losses = []
    for _episode in range(5):
        state = rng.standard_normal(4)
        for _t in range(10):
            action = select_action(state)
            state = 0.9 * state + (0.1 if action else -0.1) + 0.05 * rng.standard_normal(4)
            policy.rewards.append(float(1.0 - abs(state[0])))
        losses.append(finish_episode())
    return losses
