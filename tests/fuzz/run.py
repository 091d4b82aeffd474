"""`make fuzz`: every target for so many seconds under atheris (libFuzzer), several at a time.

    python tests/fuzz/run.py [--seconds 600] [--jobs 2] [TARGET ...]

A target is a module here with `one(data)` and `seeds()`; its property stands in `one`'s docstring.
What is found is kept under tests/fuzz/corpus/TARGET, where an ordinary test replays it for ever.
"""

import argparse
import importlib
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"
_LONGEST_INPUT = 4096
_SLOWEST_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one target: the number of inputs tried, edges covered, and what broke."""

    target: str
    inputs: int
    edges: int
    found: tuple[Path, ...]
    output: str


def targets() -> list[str]:
    """Return the names of the targets."""
    return sorted(
        path.stem for path in HERE.glob("*.py") if path.stem != "run" and not path.stem.startswith("test_")
    )


def main() -> int:
    """Run the targets; return 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="tests/fuzz/run.py", description="Fuzz the decoders.")
    parser.add_argument("target", nargs="*", metavar="TARGET", help="default: all of them")
    parser.add_argument("--seconds", type=int, default=600, help="for each target (default: 600)")
    parser.add_argument("--jobs", type=int, default=2, help="targets at a time (default: 2)")
    parser.add_argument("--in-this-process", metavar="FOLDER", help=argparse.SUPPRESS)
    options = parser.parse_args()
    unknown = set(options.target) - set(targets())
    if unknown:
        print(f"There is no target of that name; there are {', '.join(targets())}.", file=sys.stderr)
        return 2
    if options.in_this_process:
        _fuzz(options.target[0], Path(options.in_this_process), options.seconds)
        return 0
    chosen = options.target or targets()
    print(f"{len(chosen)} targets, {options.seconds} s each, {options.jobs} at a time")
    print(f"{'':14}{'inputs':>12}{'edges':>9}  result", flush=True)
    begun = time.monotonic()
    with ThreadPoolExecutor(options.jobs) as pool:
        results = []
        for result in pool.map(lambda name: _apart(name, options.seconds), chosen):
            results.append(result)
            _report(result)
    bad = [result for result in results if result.found]
    print(f"{len(bad)} of {len(results)} targets found something ({time.monotonic() - begun:.0f} s)")
    return 1 if bad else 0


def _report(result: Result) -> None:
    said = "clean" if not result.found else f"{len(result.found)} found"
    print(f"{result.target:14}{result.inputs:12,}{result.edges:9,}  {said}", flush=True)
    for path in result.found:
        print(f"    {path}: replay it with pytest {HERE.relative_to(HERE.parent.parent)}/test_corpus.py")
    if result.found:
        print(result.output)


def _apart(target: str, seconds: int) -> Result:
    """Fuzz `target` in a process of its own: libFuzzer ends its process."""
    with tempfile.TemporaryDirectory(prefix="tacita-fuzz-") as folder:
        command = [sys.executable, __file__, "--in-this-process", folder, "--seconds", str(seconds), target]
        done = subprocess.run(command, capture_output=True, text=True, check=False, errors="replace")
        broken = [
            path for path in Path(folder).iterdir() if path.name.startswith(("crash-", "timeout-", "oom-"))
        ]
        found = tuple(_keep(target, path) for path in broken)
        output = done.stdout + done.stderr
        if done.returncode and not found:
            found = (Path("no input, the target itself failed"),)
    counted = re.findall(r"^#(\d+)\s+\w+\s+cov: (\d+)", output, re.MULTILINE)
    inputs, edges = counted[-1] if counted else ("0", "0")
    return Result(target, int(inputs), int(edges), found, output[-4000:])


def _keep(target: str, path: Path) -> Path:
    kept = CORPUS / target / path.name
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(path.read_bytes())
    return kept


def _fuzz(target: str, folder: Path, seconds: int) -> None:
    import atheris

    # As `fuzz.gateway`, say: a target may have the name of what it is about, which this folder, the first
    # entry, would hide.
    sys.path[:1] = [str(HERE.parent), str(HERE.parent.parent)]
    with atheris.instrument_imports(include=["tacita", "gateway", "relay", "issuer", "node"]):
        module = importlib.import_module(f"fuzz.{target}")
    begin = folder / "seeds"
    begin.mkdir()
    for number, seed in enumerate(module.seeds()):
        (begin / f"seed-{number}").write_bytes(seed)
    kept = CORPUS / target
    arguments = [
        sys.argv[0],
        f"-max_total_time={seconds}",
        f"-max_len={_LONGEST_INPUT}",
        f"-timeout={_SLOWEST_SECONDS}",
        "-rss_limit_mb=2048",
        f"-artifact_prefix={folder}/",
        str(begin),
        *([str(kept)] if kept.is_dir() else []),
    ]
    atheris.Setup(arguments, module.one)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
