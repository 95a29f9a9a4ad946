"""Deep Q-learning with a replay memory, gathered action values, Huber loss and soft updates."""

import random
from collections import deque, namedtuple

import numpy

from tests.parity.programs.common import fill


def run(torch):
    nn, F, optim = torch.nn, torch.nn.functional, torch.optim
    Transition = namedtuple("Transition", ("state", "action", "next_state", "reward"))

    class ReplayMemory:
        def __init__(self, capacity):
            self.memory = deque([], maxlen=capacity)

        def push(self, *args):
            self.memory.append(Transition(*args))

        def sample(self, batch_size):
            return random.sample(list(self.memory), batch_size)

    class DQN(nn.Module):
        def __init__(self, n_observations, n_actions):
            super().__init__()
            self.layer1 = nn.Linear(n_observations, 16)
            self.layer2 = nn.Linear(16, n_actions)

        def forward(self, x):
            return self.layer2(F.relu(self.layer1(x)))

    random.seed(43)
    rng = numpy.random.default_rng(44)
    policy_net, target_net = fill(torch, DQN(3, 2), 45), DQN(3, 2)
    target_net.load_state_dict(policy_net.state_dict())
    optimizer = optim.AdamW(policy_net.parameters(), lr=1e-2, amsgrad=True)
    memory, losses = ReplayMemory(100), []
    state = torch.tensor(rng.standard_normal(3), dtype=torch.get_default_dtype()).unsqueeze(0)
    for step in range(25):
        with torch.no_grad():
            action = policy_net(state).max(1).indices.view(1, 1)
        next_state = None
        if step % 7 != 6:
            next_state = 0.9 * state + (2 * action - 1) * 0.1
        reward = torch.tensor([float(rng.uniform(-1, 1))])
        memory.push(state, action, next_state, reward)
        state = next_state if next_state is not None else torch.ones(1, 3)
        if len(memory.memory) < 8:
            continue
        batch = Transition(*zip(*memory.sample(8)))
        non_final_mask = torch.tensor(tuple(map(lambda s: s is not None, batch.next_state)), dtype=torch.bool)
        non_final_next_states = torch.cat([s for s in batch.next_state if s is not None])
        state_batch = torch.cat(batch.state)
        action_batch = torch.cat(batch.action)
        reward_batch = torch.cat(batch.reward)
        state_action_values = policy_net(state_batch).gather(1, action_batch)
        next_state_values = torch.zeros(8)
        with torch.no_grad():
            next_state_values[non_final_mask] = target_net(non_final_next_states).max(1).values
        expected = (next_state_values * 0.99) + reward_batch
        loss = nn.SmoothL1Loss()(state_action_values, expected.unsqueeze(1))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_value_(policy_net.parameters(), 100)
        optimizer.step()
        target_state, policy_state = target_net.state_dict(), policy_net.state_dict()
        for key in policy_state:
            target_state[key] = policy_state[key] * 0.05 + target_state[key] * 0.95
        target_net.load_state_dict(target_state)
        losses.append(loss.item())
    return losses
