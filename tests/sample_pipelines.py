"""Pipelines for the tests of the embedded API, compiled by kfp's own compiler: one of every kind of control flow."""

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Optional

from kfp import compiler, dsl, kubernetes
from kfp.dsl import HTML, Artifact, Dataset, Input, Metrics, Model, Output

IMAGE = "example.org/binocular-test:1"
component = partial(dsl.component, base_image="python:3.11")


def compiled(pipeline: Any, folder: Path) -> str:
    """Compile a pipeline into a folder; the package's path."""
    path = folder / f"{pipeline.name}.yaml"
    compiler.Compiler().compile(pipeline, str(path))
    return str(path)


@component
def echo(text: str) -> str:
    return text


@component
def pair(a: str, b: str) -> str:
    return a + b


@component
def number(n: int) -> int:
    return n


@component
def half(n: float) -> float:
    return n / 2


@component
def numbers(count: int) -> list[int]:
    return list(range(count))


@component
def structs() -> list[dict[str, int]]:
    return [{"a": 1, "b": 10}, {"a": 2, "b": 20}]


@component
def total(values: list[int]) -> int:
    return sum(values)


@component
def table(rows: list[list[str]]) -> str:
    return "|".join(",".join(row) for row in rows)


@component
def types(a: int, b: float, c: str, d: bool, e: list, f: dict) -> str:
    import json

    return json.dumps([a, b, c, d, e, f])


@component
def write(text: str, data: Output[Dataset], scores: Output[Metrics]) -> None:
    with open(data.path, "w") as file:
        file.write(text)
    data.metadata["length"] = len(text)
    scores.log_metric("length", len(text))


@component
def write_folder(data: Output[Dataset]) -> None:
    import os

    os.makedirs(f"{data.path}/inner")
    for name in ("a.txt", "inner/b.txt"):
        with open(f"{data.path}/{name}", "w") as file:
            file.write(name)


@component
def returns(text: str) -> Dataset:
    """Makes its artifact itself, at the address it asks for."""
    made = Dataset(uri=dsl.get_uri(), metadata={"length": len(text)})
    with open(made.path, "w") as file:
        file.write(text)
    return made


@component
def read(data: Input[Dataset]) -> str:
    import os

    if os.path.isdir(data.path):
        return " ".join(sorted(os.listdir(data.path)))
    with open(data.path) as file:
        return f"{file.read()} {int(data.metadata.get('length', -1))}"


@component
def read_all(data: Input[list[Dataset]]) -> str:
    return " ".join(sorted(open(each.path).read() for each in data))


@component
def variable(name: str) -> str:
    import os

    return os.environ.get(name, "not set")


@component
def ids(job: str, name: str) -> str:
    return f"{job} {name}"


@component
def fails(text: str) -> str:
    print("about to fail")
    raise ValueError(text)


@component
def final(status: dsl.PipelineTaskFinalStatus, note: str) -> str:
    return f"{note}: {status.state} {status.pipeline_task_name} {'boom' in (status.error_message or '')}"


@component
def sleeps(seconds: float, name: str) -> str:
    import time

    time.sleep(seconds)
    return name


@component
def talks(seconds: float) -> None:
    import time

    print("2026-01-31T12:00:00.000+00:00 INFO    epoch 7 of 9 loss=0.5", flush=True)
    time.sleep(seconds)


@component
def with_children(folder: str) -> None:
    """Starts a child in its own group and a grandchild in a session of its own; all of them ignore SIGTERM."""
    import os
    import signal
    import subprocess
    import time

    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    nap = ["sh", "-c", "trap '' TERM; while :; do sleep 0.2; done"]
    group, session = subprocess.Popen(nap), subprocess.Popen(nap, start_new_session=True)
    with open(f"{folder}/pids.part", "w") as file:
        file.write(f"{os.getpid()} {group.pid} {session.pid}")
    os.rename(f"{folder}/pids.part", f"{folder}/pids")
    time.sleep(600)


@component
def flaky(folder: str, failures: int) -> int:
    """Fails as often as it is told, counting in a file."""
    path = f"{folder}/tries"
    with open(path, "a+") as file:
        file.write("x")
        file.seek(0)
        tries = len(file.read())
    if tries <= failures:
        raise RuntimeError(f"try {tries}")
    return tries


@component
def counted(folder: str, text: str, data: Output[Dataset]) -> str:
    with open(f"{folder}/count", "a") as file:
        file.write("x")
    with open(data.path, "w") as file:
        file.write(text)
    return text


@component
def alone(folder: str, name: str, before: str = "") -> str:
    """Notes its beginning and end, and whether another execution of it was going on."""
    import fcntl
    import time

    with open(f"{folder}/{name}.lock", "w") as lock, open(f"{folder}/ledger", "a") as ledger:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            ledger.write(f"twice {name}\n")
            raise
        ledger.write(f"begin {name}\n")
        ledger.flush()
        time.sleep(0.3)
        ledger.write(f"end {name}\n")
    return name


@dsl.container_component
def shell(text: str, out: dsl.OutputPath(str), copy: Output[Artifact], extra: Optional[str] = None):
    return dsl.ContainerSpec(
        image="alpine",
        command=[
            "sh",
            "-c",
            'mkdir -p "$(dirname "$2")"; printf "%s" "$1 $4" >"$2"; printf "%s" "$1" >"$3"',
            "sh",
        ],
        args=[
            dsl.ConcatPlaceholder(["<", text, ">"]),
            out,
            copy.path,
            dsl.IfPresentPlaceholder("extra", then=["with", extra], else_=["without"]),
        ],
    )


class Two(NamedTuple):
    """What a containerised component returns."""

    doubled: int
    secret: str


@component(target_image=IMAGE)
def containerised(n: int, data: Output[Dataset]) -> NamedTuple("Two", [("doubled", int), ("secret", str)]): ...


@component(target_image=IMAGE)
def failing_with_report(report: Output[Artifact]) -> None: ...


@dsl.pipeline
def inner(n: int, data: Input[Dataset]) -> str:
    doubled = number(n=n)
    seen = read(data=data)
    return echo(text=f"{doubled.output} and {seen.output}").output


@dsl.pipeline
def read_each(data: list[Dataset]) -> None:
    with dsl.ParallelFor(data) as one:
        read(data=one)


@dsl.pipeline(name="branches")
def branches(side: str = "left", n: int = 5, x: float = 0.5, on: bool = True) -> str:
    start = echo(text=side)
    with dsl.If(start.output == "left", name="left"):
        a = echo(text="went left")
    with dsl.Elif(start.output == "right", name="right"):
        b = echo(text="went right")
    with dsl.Else(name="nowhere"):
        c = echo(text="went nowhere")
    with dsl.If(n > 3), dsl.If(on == True):  # noqa: E712
        echo(text="big and on")
    with dsl.If(x <= 0.25):
        echo(text="low")
    return echo(text=dsl.OneOf(a.output, b.output, c.output)).output


@dsl.pipeline(name="loops")
def loops(items: list = [1, 2, 3]) -> int:
    with dsl.ParallelFor(["a", "b", "c"], parallelism=1) as letter:
        made = write(text=letter)
        sleeps(seconds=0.2, name=letter).set_caching_options(False)
    read_all(data=dsl.Collected(made.outputs["data"]))
    read_each(data=dsl.Collected(made.outputs["data"]))
    made_of = numbers(count=3)
    with dsl.ParallelFor(made_of.output) as n:
        same = number(n=n)
    total(values=dsl.Collected(same.output))
    with dsl.ParallelFor(structs().output) as each:
        number(n=each.b)
    with dsl.ParallelFor(["x", "y"]) as outer, dsl.ParallelFor(["1", "2"]) as inside:
        cell = pair(a=outer, b=inside)
    table(rows=dsl.Collected(cell.output))
    with dsl.ParallelFor(items) as n:
        again = number(n=n)
    return total(values=dsl.Collected(again.output)).output


@dsl.pipeline(name="kinds")
def kinds(
    a: int = 3,
    b: float = 0.5,
    c: str = 'it\'s {{$.not}} "quoted"',
    d: bool = True,
    e: list = [1, "two", 3.5],
    f: dict = {"k": [1, {"deep": True}]},
    uri: str = "",
):
    types(a=a, b=b, c=c, d=d, e=e, f=f)
    half(n=b)
    made = write(text="written")
    inner(n=a, data=made.outputs["data"])
    read(data=write_folder().outputs["data"])
    read(data=returns(text="returned").output)
    variable(name="COLOUR").set_env_variable("COLOUR", "blue").set_cpu_limit("1").set_memory_limit("1G")
    ids(job=dsl.PIPELINE_JOB_ID_PLACEHOLDER, name=dsl.PIPELINE_TASK_NAME_PLACEHOLDER)
    shell(text="one", extra="more").set_display_name("with extra")
    shell(text="two")
    imported = dsl.importer(artifact_uri=uri, artifact_class=Dataset, metadata={"length": "7"})
    read(data=imported.output)


@dsl.pipeline(name="guarded")
def guarded(fail: bool = True) -> None:
    with dsl.ExitHandler(final(note="exit"), name="guard"):
        first = echo(text="inside")
        with dsl.If(fail == True):  # noqa: E712
            broken = fails(text="boom")
            echo(text="never").after(broken)
        echo(text=first.output)


@dsl.pipeline(name="contained")
def contained(n: int = 4) -> None:
    task = containerised(n=n)
    kubernetes.use_secret_as_env(task, "access", {"key": "TEST_SECRET"})
    kubernetes.add_toleration(task, key="gpu", operator="Exists")
    read(data=task.outputs["data"])
    number(n=task.outputs["doubled"])


@dsl.pipeline(name="reporting")
def reporting() -> None:
    failing_with_report()


@dsl.pipeline(name="patient")
def patient(folder: str, failures: int) -> None:
    task = flaky(folder=folder, failures=failures)
    task.set_retry(num_retries=2, backoff_duration="1s", backoff_factor=1.0)
    echo(text="reached").after(task)


@dsl.pipeline(name="late")
def late() -> None:
    kubernetes.set_timeout(sleeps(seconds=60.0, name="late"), 1)


@dsl.pipeline(name="family")
def family(folder: str) -> None:
    sleeps(seconds=0.0, name="next").after(with_children(folder=folder))


@dsl.pipeline(name="talking")
def talking(seconds: float) -> None:
    talks(seconds=seconds).set_caching_options(False)


@dsl.pipeline(name="twins")
def twins(seconds: float = 1.5) -> None:
    for name in ("one", "two"):
        sleeps(seconds=seconds, name=name).set_caching_options(False)


@dsl.pipeline(name="cached")
def cached(folder: str, text: str = "same") -> None:
    made = counted(folder=folder, text=text)
    read(data=made.outputs["data"])


@dsl.pipeline(name="quick")
def quick(text: str = "hello") -> None:
    echo(text=text).set_caching_options(False)


@dsl.pipeline(name="chain")
def chain(text: str = "hello") -> None:
    last = echo(text=text).set_caching_options(False)
    for _ in range(4):
        last = echo(text=last.output).set_caching_options(False)


@dsl.pipeline(name="ledger")
def ledger(folder: str) -> None:
    first = alone(folder=folder, name="first").set_caching_options(False)
    middle = [
        alone(folder=folder, name=name, before=first.output).set_caching_options(False)
        for name in ("left", "right")
    ]
    alone(folder=folder, name="last").set_caching_options(False).after(*middle)


@component
def waits_for(name: str, until: str) -> str:
    import pathlib
    import time

    while until and not pathlib.Path(until).exists():
        time.sleep(0.05)
    return name


@dsl.pipeline(name="tiny")
def tiny(name: str = "nobody", until: str = "", count: int = 1) -> None:
    waits_for(name=name, until=until)


@component
def validate(page: str, findings: Output[Artifact], report: Output[HTML]):
    import json
    import os

    os.makedirs(findings.path)
    found = {"check": "blurred", "title": "Blurred", "severity": "soft", "message": "1", "total": 1, "left_out": 0}
    facts = {"format": 1, "passed": True, "verdict": "Fit", "snapshot": "abc", "images": 6, "unreadable": 0}
    facts |= {"quarantined": 0, "counts": {"train": {"glass": 2}}, "findings": [{**found, "cases": []}]}
    with open(f"{findings.path}/report.json", "w") as file:
        json.dump(facts, file)
    with open(report.path, "w") as file:
        file.write(page)
    if page == "unfit":
        raise SystemExit("2026-01-01T00:00:00.000+00:00 ERROR   not fit to train on")


@component
def train(page: str, until: str, findings: Input[Artifact], candidate: Output[Model], curves: Output[HTML]):
    import json
    import os
    import pathlib
    import sys
    import time

    os.makedirs(candidate.path)
    epoch = {"phase": "head", "epoch": 1, "loss": 0.5, "accuracy": 0.5, "validation_loss": 1.0}
    epoch |= {"validation_accuracy": 0.5, "learning_rate": 0.1, "seconds": 1.0}
    facts = {
        "classes": ["glass", "metal"],
        "height": 8,
        "width": 8,
        "architecture": "small_cnn",
        "weights": "none",
    }
    facts |= {
        "images": {"train": 2},
        "recipe": {},
        "chosen": [],
        "history": [epoch],
        "validation": {},
        "seconds": {},
    }
    with open(f"{candidate.path}/candidate.json", "w") as file:
        json.dump(facts, file)
    with open(curves.path, "w") as file:
        file.write(page)
    sys.stdout.buffer.write("größer als ein Byte\n".encode())
    print("2026-01-01T00:00:00.000+00:00 INFO    head epoch=1.5/4 loss=0.5 eta_s=3", flush=True)
    while until and not pathlib.Path(until).exists():
        time.sleep(0.05)
    print("that was all")


@component
def evaluate(page: str, candidate: Input[Model], evaluation: Output[Artifact], report: Output[HTML]) -> str:
    import json
    import os

    os.makedirs(evaluation.path)
    known = {"label": "glass", "images": 2, "precision": 0.5, "recall": 1.0, "f1": 0.7}
    classes = [known, {**known, "label": "metal", "recall": None}]
    measures = {"overall": {"accuracy": 0.75}, "intervals": {"accuracy": [0.5, 0.9], "macro_f1": None}}
    measures |= {"classes": classes, "confusion": [[2, 0], [1, 1]]}
    judged = {"architecture": "small_cnn", "size": 10, "latency": None, "fault": None, "measures": measures}
    facts = {"tested": {"glass": 2, "metal": 2}, "candidate": judged, "champion": judged, "champion_version": 1}
    with open(f"{evaluation.path}/evaluation.json", "w") as file:
        json.dump({**facts, "comparison": {"overall": {"fixed": 1, "broken": 0}}}, file)
    with open(report.path, "w") as file:
        file.write(page)
    return "promote"


@component
def export(n: int) -> int:
    return n


@component
def record_rejection(n: int) -> int:
    return n


@dsl.pipeline(name="evidence")
def evidence(name: str = "photos", page: str = "", until: str = "", seed: int = 0) -> None:
    """What a run of ours leaves, made without a training."""
    validated = validate(page=page)
    trained = train(page=page, until=until, findings=validated.outputs["findings"])
    evaluated = evaluate(page=page, candidate=trained.outputs["candidate"])
    with dsl.If(evaluated.outputs["Output"] == "promote"):
        export(n=seed)
    with dsl.Else():
        record_rejection(n=seed)
