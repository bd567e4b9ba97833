"""Are the alarms silent in healthy runs, and do they fire in runs that were built to suffer? Prints a table.

    python bench/alarms.py PHOTOS [--only gan] [--out runs/alarms] [--minutes 10] [--looks 0.2]
    python bench/alarms.py --table runs/alarms

PHOTOS is a folder of many natural photographs, such as CIFAR-10; handwriting and the picture world come with Huabi. A
run trains for a share of `--minutes`, looks at itself for a fifth of the time (`--looks`; 4 % is what users get), and
is trained once: what lies in --out is not made again. For each sign the table shows the value that came nearest to
its threshold, or farthest beyond, and the last one. The exit code is 1 where an alarm was missed or false.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from huabi import watch
from huabi.errors import TrainingError
from huabi.job import Job, Options

SIGNS = ("variety", "critic", "copies", "detail", "pictures", "losses")
FEW = 50  # pictures that are learnt by heart
TEXTBOOK = {  # DCGAN as published (Radford et al. 2016)
    "net": "dcgan",
    "loss": "nonsaturating",
    "r1": 0,
    "r2": 0,
    "lr": 2e-4,
    "critic_lr": 2e-4,
    "beta1": 0.5,
    "beta2": 0.999,
    "batch": 128,
    "augment": "none",
}
PLAIN = {"detail.texture": 0, "detail.adversarial": 0, "latent.free_bits": 0}  # a VAE without its cures


@dataclass(frozen=True)
class Case:
    """One run: what it trains, and which alarms it must and may raise; `share` is of the minutes."""

    name: str
    family: str
    data: str = "PHOTOS"
    settings: Mapping[str, Any] = field(default_factory=dict)
    share: float = 1.0
    must: frozenset[str] = frozenset()
    may: frozenset[str] = frozenset()


def cases() -> list[Case]:
    """Healthy runs, then suffering ones."""
    soft, collapsed, lost, learnt = (
        frozenset({name}) for name in ("over-smoothing", "collapse", "divergence", "memorisation")
    )
    world, few = "world:styles=flat,n=4000", "FEW"
    found = []
    for family in ("diffusion", "gan", "vae"):
        found.append(Case(f"digits-{family}", family, "digits", share=0.3))
        found.append(Case(f"world-{family}", family, world, share=0.6))
        found.append(Case(f"photos-{family}", family))
    return [
        *found,
        Case("gan-textbook", "gan", settings=TEXTBOOK, must=collapsed, may=lost),
        Case("digits-gan-fast", "gan", "digits", {"lr": 0.02, "critic_lr": 0.02}, 0.3, collapsed, lost | soft),
        Case("diffusion-on-few", "diffusion", few, share=1.5, must=learnt),
        Case("world-diffusion-on-few", "diffusion", "world:styles=flat,n=50", must=learnt),
        Case("ink-diffusion-on-few", "diffusion", "world:styles=ink,n=50", must=learnt),
        Case("vae-on-few", "vae", few, share=0.6, may=soft | learnt),
        Case("gan-on-few", "gan", few, share=0.6, may=collapsed | learnt),
        Case("vae-plain", "vae", settings=PLAIN, share=0.4, must=soft),
        Case("world-vae-plain", "vae", world, PLAIN | {"beta": 20}, 0.3, soft, collapsed),
        Case("vae-with-beta-50", "vae", settings=PLAIN | {"beta": 50}, share=0.4, must=soft, may=collapsed),
        Case("digits-vae-with-beta-50", "vae", "digits", PLAIN | {"beta": 50}, 0.3, collapsed, soft),
        Case("diffusion-lr-1", "diffusion", settings={"lr": 1.0}, share=0.3, must=lost, may=collapsed | soft),
        Case("digits-diffusion-lr-1", "diffusion", "digits", {"lr": 1.0}, 0.2, lost, collapsed | soft),
        Case("vae-lr-half", "vae", settings={"lr": 0.5}, share=0.2, must=lost, may=collapsed | soft),
        Case("gan-lr-tenth", "gan", settings={"lr": 0.1, "critic_lr": 0.1}, share=0.3, must=collapsed, may=lost | soft),
    ]


def few_pictures(photos: str, folder: Path) -> Path:
    """A folder with `FEW` of the photographs, evenly chosen."""
    files = sorted(path for path in Path(photos).expanduser().rglob("*") if path.is_file())
    if not folder.exists():
        folder.mkdir(parents=True)
        for n, path in enumerate(files[:: len(files) // FEW][:FEW]):
            shutil.copy(path, folder / f"{n:02d}{path.suffix}")
    return folder


def run(case: Case, photos: str, out: Path, minutes: float) -> dict[str, Any]:
    """Trains a case; its alarms, and of each sign the threshold and the values in their order."""
    places = {"PHOTOS": photos, "FEW": str(few_pictures(photos, out / "few")) if case.data == "FEW" else ""}
    size = (16, 16) if case.data == "digits" else (32, 32)
    asked = Options(
        case.family,
        places.get(case.data, case.data),
        out / case.name,
        size=size,
        budget=60 * minutes * case.share,
        settings=case.settings,
    )
    job, alarms, courses = Job(asked, say=print), [], {}
    steps = 0
    try:
        for report in job.run():
            steps = report.step
            for alarm in report.alarms:
                print(f"  step {steps}, {report.seconds:.0f} s: {alarm}", flush=True)
                alarms.append(alarm)
            for name, sign in (job.watch.signs if job.watch else {}).items():
                course = courses.setdefault(name, {"threshold": sign.threshold, "above": sign.above, "values": []})
                if sign.value == sign.value and sign.value not in course["values"][-1:]:
                    course["values"].append(sign.value)
    except TrainingError as error:
        print(f"  {error}")
    return {"steps": steps, "minutes": minutes * case.share, "alarms": alarms, "signs": courses}


def verdict(case: Case, alarms: Sequence[str]) -> str:
    """What was missed and what was false; nothing where all is right."""
    names = {alarm.partition(":")[0] for alarm in alarms}
    wrong = [f"missed {name}" for name in sorted(case.must - names)]
    return ", ".join(wrong + [f"false {name}" for name in sorted(names - case.must - case.may)])


def cell(course: Mapping[str, Any] | None) -> str:
    if not course or not course["values"]:
        return ""
    nearest = (max if course["above"] else min)(course["values"])
    return f"{nearest:.3g} / {course['values'][-1]:.3g}"


def table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Markdown: a row for each case, the thresholds on top."""
    thresholds = {}
    for result in results.values():
        for name, course in result["signs"].items():
            thresholds[name] = f"{name} {'>' if course['above'] else '<'} {course['threshold']:g}"
    heads = [thresholds.get(name, name) for name in SIGNS]
    lines = ["| run | minutes | steps | " + " | ".join(heads) + " | alarms | |", "|---|--:|--:|" + "---|" * 8]
    for case in cases():
        if case.name in results:
            result = results[case.name]
            names = dict.fromkeys(alarm.partition(":")[0] for alarm in result["alarms"])
            cells = [case.name, f"{result['minutes']:g}", f"{result['steps']:,}"]
            cells += [cell(result["signs"].get(name)) for name in SIGNS]
            lines.append(
                "| " + " | ".join([*cells, ", ".join(names) or "none", verdict(case, result["alarms"])]) + " |"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="?")
    parser.add_argument("--only", default="", help="cases whose name holds this")
    parser.add_argument("--out", type=Path, default=Path("runs/alarms"))
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--looks", type=float, default=0.2, help="share of the time that goes into looks")
    parser.add_argument("--table", type=Path, help="only the table of what lies in this folder")
    asked = parser.parse_args()
    out = asked.table or asked.out
    file = out / "results.json"
    results: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.exists() else {}
    watch.LOOKS = asked.looks
    for case in cases() if asked.photos and not asked.table else []:
        if asked.only in case.name and case.name not in results:
            print(case.name, flush=True)
            shutil.rmtree(out / case.name, ignore_errors=True)
            results[case.name] = run(case, asked.photos, out, asked.minutes)
            file.write_text(json.dumps(results, indent=1), "utf-8")
    print(table(results))
    sys.exit(any(verdict(case, results[case.name]["alarms"]) for case in cases() if case.name in results))


if __name__ == "__main__":
    main()
