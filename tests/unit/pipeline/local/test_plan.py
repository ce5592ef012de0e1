"""What starts, waits, is skipped and fails, from nothing but what has ended so far."""

from typing import Any

import pytest

from pipeline.local.inputs import Data, Result
from pipeline.local.package import Package
from pipeline.local.plan import Plan, look
from tests.unit.pipeline.local.packages import dag, from_task, package, step, task, text

WHATEVER = {"triggerPolicy": {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"}}


def done(value: Any = "x", **artifacts: list[dict[str, Any]]) -> Result:
    return Result("SUCCEEDED", Data({"Output": value}, artifacts))


FAILED = Result("FAILED", error="it broke")


def seen(made: Package, known: dict[str, Result] | None = None, *running: str, **inputs: Any) -> Plan:
    return look(made, Data(inputs), known or {}, set(running), {"job_id": "run"})


def states(plan: Plan) -> dict[str, str]:
    return {node.path: node.state for node in plan.nodes}


def ready(plan: Plan) -> list[str]:
    return [each.path for each in plan.ready]


DIAMOND = {"a": task("a"), "left": task("b", "a"), "right": task("b", "a"), "end": task("c", "left", "right")}


def test_a_task_starts_when_all_before_it_succeeded() -> None:
    made = package(DIAMOND)

    assert (ready(seen(made)), seen(made).state) == (["a"], "PENDING")
    assert (ready(seen(made, {}, "a")), seen(made, {}, "a").state) == ([], "RUNNING")
    assert ready(seen(made, {"a": done()})) == ["left", "right"]
    assert ready(seen(made, {"a": done(), "left": done()}, "right")) == []
    assert ready(seen(made, {"a": done(), "left": done(), "right": done()})) == ["end"]
    assert seen(made, dict.fromkeys(DIAMOND, done())).state == "SUCCEEDED"


def test_behind_a_failure_nothing_starts_and_what_runs_may_end() -> None:
    made = package(DIAMOND)
    plan = seen(made, {"a": done(), "left": FAILED}, "right")
    assert (plan.state, states(plan)["end"], ready(plan)) == ("RUNNING", "SKIPPED", [])

    plan = seen(made, {"a": done(), "left": FAILED, "right": done()})
    assert (plan.state, plan.result.error) == ("FAILED", "left: it broke")


def test_a_failure_keeps_independent_tasks_from_starting() -> None:
    made = package({"a": task("a"), "b": task("b"), "c": task("c", "b")})

    assert states(seen(made, {"a": FAILED, "b": done()})) == {"a": "FAILED", "b": "SUCCEEDED", "c": "SKIPPED"}


def test_what_runs_whatever_happened_hears_how_it_went() -> None:
    status = {"parameters": {"status": {"taskFinalStatus": {"producerTask": "guarded"}}}}
    made = package(
        {"guarded": task("guarded"), "exit": {**task("exit", "guarded"), **WHATEVER, "inputs": status}},
        {"exit": step("exit", {"status": {"parameterType": "TASK_FINAL_STATUS", "isOptional": True}})},
    )
    assert ready(seen(made)) == ["guarded"]
    for result, expected in [(FAILED, "FAILED"), (done(), "SUCCEEDED")]:
        (last,) = seen(made, {"guarded": result}).ready
        assert last.inputs.parameters["status"]["state"] == expected
        assert seen(made, {"guarded": result, "exit": done()}).state == expected


def test_an_output_is_handed_on_and_a_missing_one_is_named() -> None:
    made = package({"a": task("a"), "b": {**task("b"), "inputs": from_task("a")}})
    (last,) = seen(made, {"a": done("value")}).ready
    assert last.inputs.parameters == {"text": "value"}

    plan = seen(made, {"a": Result("SUCCEEDED", Data({}))})
    assert (plan.state, plan.result.error) == ("FAILED", "b: task b: there is no value for text")
    optional = {"text": {"parameterType": "STRING", "isOptional": True}}
    lenient = package({"a": task("a"), "b": {**task("b"), "inputs": from_task("a")}}, {"b": step("b", optional)})
    assert ready(seen(lenient, {"a": Result("SUCCEEDED", Data({}))})) == ["b"]


@pytest.mark.parametrize(("made", "taken"), [('{"k": "v"}', "v"), ("{}", None), ("no JSON", None)])
def test_a_part_of_an_output_is_handed_on_and_one_that_has_no_parts_is_named(made: str, taken: str | None) -> None:
    inputs = from_task("a")
    inputs["parameters"]["text"]["parameterExpressionSelector"] = 'parseJson(string_value)["k"]'
    plan = seen(package({"a": task("a"), "b": {**task("b"), "inputs": inputs}}), {"a": done(made)})
    if taken:
        assert plan.ready[0].inputs.parameters == {"text": taken}
    else:
        assert (plan.state, plan.result.error) == ("FAILED", f"b: there is no 'k' in {made}")


def branches() -> Package:
    condition = "inputs.parameter_values['side'] == 'left'"
    side = {"parameters": {"side": {"componentInputParameter": "side"}}}
    out = {"parameters": {"got": {"valueFromParameter": {"producerSubtask": "s", "outputParameterKey": "Output"}}}}
    branch = dag({"s": task("s")}, outputs=out, inputDefinitions={"parameters": text("side")},
                 outputDefinitions={"parameters": text("got")})  # fmt: skip
    selectors = [{"producerSubtask": name, "outputParameterKey": "got"} for name in ("if", "else")]
    one = {"parameters": {"one": {"valueFromOneof": {"parameterSelectors": selectors}}}}
    both = dag(
        {
            "if": {
                "componentRef": {"name": "comp-branch"},
                "inputs": side,
                "triggerPolicy": {"condition": condition},
            },
            "else": {
                "componentRef": {"name": "comp-branch"},
                "inputs": side,
                "triggerPolicy": {"condition": f"!({condition})"},
            },
        },
        outputs=one,
        inputDefinitions={"parameters": text("side")},
        outputDefinitions={"parameters": text("one")},
    )
    return package(
        {
            "both": {"componentRef": {"name": "comp-both"}, "inputs": side},
            "use": {**task("use"), "inputs": from_task("both", "one")},
        },
        {"branch": branch, "both": both},
        inputDefinitions={"parameters": text("side")},
    )


@pytest.mark.parametrize(("side", "taken", "other"), [("left", "if", "else"), ("up", "else", "if")])
def test_one_branch_is_taken_and_hands_its_value_on(side: str, taken: str, other: str) -> None:
    made = branches()
    plan = seen(made, side=side)
    assert ready(plan) == [f"both/{taken}/s"]
    assert states(plan)[f"both/{other}"] == "SKIPPED"

    (last,) = seen(made, {f"both/{taken}/s": done("from there")}, side=side).ready
    assert (last.path, last.inputs.parameters["text"]) == ("use", "from there")


def loop(items: Any, **more: Any) -> Package:
    out = {"parameters": {"all": {"valueFromParameter": {"producerSubtask": "s", "outputParameterKey": "Output"}}}}
    body = dag(
        {"s": {**task("s"), "inputs": {"parameters": {"text": {"componentInputParameter": "item"}}}}},
        outputs=out,
        inputDefinitions={"parameters": {**text("item"), "items": {"parameterType": "LIST"}}},
        outputDefinitions={"parameters": {"all": {"parameterType": "LIST"}}},
    )
    given = {"parameters": {"items": {"componentInputParameter": "items"}}}
    source = {"raw": items} if isinstance(items, str) else {"inputParameter": "items"}
    iterator = {"items": source, "itemInput": "item"}
    return package(
        {
            "loop": {
                "componentRef": {"name": "comp-body"},
                "inputs": given,
                "parameterIterator": iterator,
                **more,
            },
            "sum": {**task("sum"), "inputs": from_task("loop", "all")},
        },
        {"body": body, "sum": step("sum", {"text": {"parameterType": "LIST"}})},
        inputDefinitions={"parameters": {"items": {"parameterType": "LIST"}}},
    )


def test_a_loop_repeats_and_collects() -> None:
    made = loop('["a", "b", "c"]')
    plan = seen(made, items=[])
    assert ready(plan) == ["loop/0/s", "loop/1/s", "loop/2/s"]
    assert [each.inputs.parameters["text"] for each in plan.ready] == ["a", "b", "c"]

    (last,) = seen(made, {f"loop/{i}/s": done(i) for i in range(3)}, items=[]).ready
    assert last.inputs.parameters["text"] == [0, 1, 2]


def test_a_loop_keeps_to_its_limit() -> None:
    made = loop([], iteratorPolicy={"parallelismLimit": 2})
    items = ["a", "b", "c"]

    assert ready(seen(made, items=items)) == ["loop/0/s", "loop/1/s"]
    assert ready(seen(made, {"loop/1/s": done()}, "loop/0/s", items=items)) == ["loop/2/s"]
    plan = seen(made, {"loop/0/s": FAILED}, "loop/1/s", items=items)
    assert (ready(plan), states(plan)["loop/2"]) == ([], "SKIPPED")


def test_a_loop_over_nothing_or_over_no_list() -> None:
    made = loop([])

    assert seen(made, items=[]).ready[0].inputs.parameters["text"] == []
    for wrong in ("{", {"a": 1}, ["x"] * 20_000):
        plan = seen(loop(wrong if isinstance(wrong, str) else []), items=wrong)
        assert plan.state == "FAILED"
        assert "list" in plan.result.error or "a loop over" in plan.result.error


def test_caching_that_is_off_for_a_group_is_off_inside() -> None:
    made = package({"g": {**task("g"), "cachingOptions": {}}}, {"g": dag({"s": task("s")})})
    assert [each.may_cache for each in seen(made).ready] == [False]
    made = package({"g": task("g")}, {"g": dag({"s": {**task("s"), "cachingOptions": {"enableCache": True}}})})
    assert [each.may_cache for each in seen(made).ready] == [True]


def test_a_look_at_a_large_run_takes_moments() -> None:
    import time  # noqa: PLC0415

    made = loop([])
    items = [str(number) for number in range(1_000)]
    known = {f"loop/{number}/s": done() for number in range(500)}
    started = time.monotonic()

    assert len(seen(made, known, items=items).ready) == 500
    assert time.monotonic() - started < 2
