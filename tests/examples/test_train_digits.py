"""The main job."""

from tests.examples.running import EPOCH, final_accuracy, run


def test_the_held_out_fifth_is_read_with_at_least_97_percent(tmp_path):
    full = run("train_digits", cwd=tmp_path)
    assert final_accuracy(full) >= 97
    losses = [float(loss) for _, _, loss, _, _ in EPOCH.findall(full.stdout)]
    assert losses[-1] < losses[0] / 4


def test_a_quick_run_prints_loss_and_both_accuracies_per_epoch(tmp_path):
    quick = run("train_digits", "--quick", cwd=tmp_path)
    assert quick.returncode == 0, quick.stderr
    assert [(epoch, epochs) for epoch, epochs, *_ in EPOCH.findall(quick.stdout)] == [("1", "2"), ("2", "2")]


def test_another_seed_gives_other_numbers(tmp_path):
    one, other = (run("train_digits", "--quick", "--seed", seed, cwd=tmp_path) for seed in (7, 8))
    assert len(EPOCH.findall(one.stdout)) == len(EPOCH.findall(other.stdout)) == 2
    assert EPOCH.findall(other.stdout) != EPOCH.findall(one.stdout)
