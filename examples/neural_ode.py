# %% [markdown]
# # Learn a law of motion: a neural ordinary differential equation
#
# A network f gives not the next state but its rate of change: dy/dt = f(y). To predict, the equation is solved step by
# step, and the gradient flows back through all steps of the solver (Chen, Rubanova, Bettencourt and Duvenaud, Neural
# Ordinary Differential Equations, 2018; they save memory by solving backward in time, which short paths do not need).
# Here a damped pendulum is watched as it swings from eight starting points, and the network finds out how it moves.
#
# What to look at: the arrows learnt turn like the true ones wherever the pendulum came by, and a swing from a start
# that the network never saw is foretold for 20 seconds. After 3000 steps its angle is wrong by 0.005 rad on average.
#
# In a terminal: `python examples/neural_ode.py`, with `--help` for the options.

# %%
from common import Options, Progress, draw_history, save_picture

import tinygrad_mp as tg
from tinygrad_mp import nn, optim

options = Options("Learn how a pendulum moves.", steps=3000, quick=150, output="neural_ode.png").parse()
tg.manual_seed(options.seed)

# %% [markdown]
# ## Solver and data
#
# The classical method of fourth order (Runge, 1895; Kutta, 1901): four looks at the rate of change make a step, whose
# error falls with the fifth power of its length. A state is an angle and an angular velocity.


# %%
def runge_kutta(rate, start, count, step=0.1):
    """The states after 0, 1, ..., count - 1 steps: (count, ...) for a start (...)."""
    y, path = start, [start]
    for _ in range(count - 1):
        k1 = rate(y)
        k2 = rate(y + step / 2 * k1)
        k3 = rate(y + step / 2 * k2)
        k4 = rate(y + step * k3)
        y = y + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        path.append(y)
    return tg.stack(path)


def pendulum(y):
    """The true law: gravity and a little friction."""
    angle, velocity = y.unbind(dim=-1)
    return tg.stack([velocity, -tg.sin(angle) - 0.15 * velocity], dim=-1)


moments, paths = 200, 8
with tg.no_grad():
    starts = (tg.rand(paths, 2) - 0.5) * tg.tensor([4.8, 0.8])
    seen = runge_kutta(pendulum, starts, moments)  # (moments, paths, 2)

# %% [markdown]
# ## Model

# %%
rate = nn.Sequential(nn.Linear(2, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 2))
optimizer = optim.Adam(rate.parameters(), lr=5e-3)

# %% [markdown]
# ## Training
#
# Fifty short pieces of the paths at a time: from the first state of each the model must predict the next nine. Ctrl-C
# stops early and keeps what has been learnt so far.

# %%
count, length = 50, 10
scheduler = optim.lr_scheduler.LinearLR(optimizer, 1, 0, total_iters=options.steps)

with Progress(options.steps) as progress:
    for _ in range(options.steps):
        first = tg.randint(0, moments - length + 1, (count,))
        target = seen[first + tg.arange(length)[:, None], tg.randint(0, paths, (count,))]  # (length, count, 2)
        predicted = runge_kutta(rate, target[0], length)
        loss = (predicted - target).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        progress.step(loss=loss.item())
        if progress.due:
            progress.write(f"step {progress.done:4d}/{progress.total}  loss {progress.mean('loss', 50):.5f}")

# %% [markdown]
# ## Result
#
# The start of the test is none of the eight.

# %%
with tg.no_grad():
    true, learnt = (runge_kutta(law, tg.tensor([-2.0, 0.5]), moments) for law in (pendulum, rate))
    error = (learnt - true)[:, 0].abs()
    angles, velocities = tg.linspace(-3, 3, 18), tg.linspace(-2.5, 2.5, 18)
    grid = tg.stack([angles.repeat(18), velocities.repeat_interleave(18)], dim=1)
    true_arrows, arrows = pendulum(grid), rate(grid)
print(f"error of the angle, mean over 20 seconds from a new start: {error.mean().item():.4f} rad")


def draw(figure):
    left, middle, right = figure.subplots(1, 3)
    left.quiver(*grid.T, *true_arrows.T, color="0.6", width=0.008, label="true")
    left.quiver(*grid.T, *arrows.T, color="C1", width=0.004, label="learnt")
    left.plot(*seen[:, :1].T.flatten(1), color="C0", alpha=0.5, label="seen")
    left.plot(*seen[:, 1:].unbind(dim=2), color="C0", alpha=0.5)
    left.set(title="How the state changes", xlabel="angle (rad)", ylabel="angular velocity (rad/s)")
    left.legend(loc="upper right")
    seconds = tg.arange(moments) * 0.1
    middle.plot(seconds, true[:, 0], color="0.6", linewidth=4, label="true")
    middle.plot(seconds, learnt[:, 0], color="C1", label="foretold from the start alone")
    middle.set(title="A swing that the network never saw", xlabel="time (s)", ylabel="angle (rad)")
    middle.legend()
    draw_history(right, progress.history["loss"], 50, "mean of 50 steps")
    right.set(title="Loss on the pieces of path", xlabel="step", ylabel="mean absolute error", yscale="log")
    right.legend()


save_picture(options.output, draw, size=(15, 5))
