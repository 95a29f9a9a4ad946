"""The code in README.md, CONTRIBUTING.md and docs/ runs, and prints what it says that it prints.

The ```python blocks of a file are one program: they run in order, in one namespace, in a process and a folder of
their own. ``print(...)  # text`` says what the line prints.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
PROMISE = re.compile(r"^\s*print\(.*\)  # (.*)$", re.MULTILINE)


def program(page: str) -> str:
    """The lines of a page's Python blocks where they stand, and empty lines for the rest: line numbers stay true.

    >>> program("Hello.\\n```python\\nx = 1\\n```\\nAnd:\\n```python\\nprint(x)  # 1\\n```")
    '\\n\\nx = 1\\n\\n\\n\\nprint(x)  # 1\\n'
    """
    lines, inside = [], False
    for line in page.splitlines():
        fence = line.startswith("```")
        lines.append(line if inside and not fence else "")
        if fence:
            inside = line == "```python"
    return "\n".join(lines)


def run(page: str, name: str, folder: Path) -> None:
    """Run a page's blocks; fail with the page's line if one raises or prints something else than it says."""
    code = program(page)
    script = folder / name
    script.write_text(code, encoding="utf-8")
    result = subprocess.run(
        [sys.executable, "-W", "error", script.name],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    if result.returncode:
        place = re.findall(rf'File ".*{re.escape(name)}", line (\d+)', result.stderr)
        pytest.fail(f"{name}:{place[-1] if place else '?'}: a block fails\n{result.stderr}", pytrace=False)
    promised = [(code.count("\n", 0, match.start(1)) + 1, match[1]) for match in PROMISE.finditer(code)]
    printed = result.stdout.splitlines()
    for (line, text), found in zip(promised, printed, strict=False):
        if text != found:
            pytest.fail(f"{name}:{line}: says it prints\n  {text}\nbut prints\n  {found}", pytrace=False)
    assert len(printed) == len(promised), f"{name}: {len(promised)} lines of output promised, printed were {printed}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_code_on_the_page_runs_and_prints_what_it_says(path, tmp_path):
    run(path.read_text(encoding="utf-8"), path.name, tmp_path)


def test_a_failing_block_is_named_with_its_line(tmp_path):
    page = "# Page\n\n```python\nx = 1\n```\n\nthen\n\n```python\nx += 1\nassert x == 3\n```\n"
    with pytest.raises(pytest.fail.Exception, match=r"^PAGE.md:11: a block fails"):
        run(page, "PAGE.md", tmp_path)


def test_a_wrong_promise_is_named_with_its_line(tmp_path):
    page = "# Page\n\n```python\nprint(1)  # 1\nprint(1 + 1)  # 3\n```\n"
    with pytest.raises(pytest.fail.Exception, match=r"^PAGE.md:5: says it prints\n  3\nbut prints\n  2"):
        run(page, "PAGE.md", tmp_path)


def test_the_readme_opens_with_the_two_commands():
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert blocks[:2] == [
        ("bash", "python -m pip install -e . && python examples/train_digits.py\n"),
        ("bash", 'python -m pip install -e ".[test]" && python -m pytest\n'),
    ]
