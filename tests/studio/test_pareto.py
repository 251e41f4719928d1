"""The studio's Pareto chart: numbers and front of `tatami pareto`, and a click opens a network."""

from __future__ import annotations

import json

from tatami.pipeline.compare import compare
from tests.browser import check_reach


def test_the_chart_of_the_networks_here_and_of_results(tab, squares, tmp_path):
    expected = compare([squares], squares.parent / "set", split="test", every=True, time=False)
    tab.locator("#artifact").select_option(index=1)
    tab.locator("nav a[data-page=pareto]").click()
    tab.locator("#compareall").click()
    tab.wait_for_selector("#front .mark")
    rows = [row.locator("td").all_inner_texts() for row in tab.locator("#front tbody tr").all()]
    for cost in ("multiply_adds", "weight_bytes"):
        tab.locator("#cost").select_option(cost)
        rows = [row.locator("td").all_inner_texts() for row in tab.locator("#front tbody tr").all()]
        merit = tab.locator("#merit").input_value()
        for row, one in zip(rows, expected.to_json()["networks"], strict=True):
            star = "*" if one["on_front"][cost] else ""
            assert row[1:] == [str(one["bits"]), f"{one[merit]:.4f}", str(one[cost]), star]
    check_reach(tab)
    tab.locator("#front svg.scatter").focus()
    tab.keyboard.press("ArrowRight")
    assert "bits" in tab.locator("#told").inner_text()
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#network:not([hidden]) #graph g")
    assert tab.locator("#artifact").evaluate("one => one.selectedIndex") == 1

    figures = [(0.5, 10), (0.6, 20), (0.55, 30), (0.6, 20), (0.7, 9)]
    made = [
        {"name": f"n{i}", "file": "x.onnx", "top1": top1, "multiply_adds": cost, "bits": 32}
        for i, (top1, cost) in enumerate(figures)
    ]
    made[0]["name"] = "<img src=x onerror=alert(1)>"
    file, other = tmp_path / "results.json", tmp_path / "other.json"
    file.write_text(json.dumps({"networks": made}))
    other.write_text("[1]")
    tab.locator("nav a[data-page=pareto]").click()
    tab.locator("#results").set_input_files(file)
    tab.wait_for_selector("#front tbody tr:nth-child(5)")
    stars = tab.locator("#front tbody tr td:last-child").all_inner_texts()
    assert stars == ["", "", "", "", "*"]
    assert tab.locator("#front img").count() == 0
    tab.locator("#results").set_input_files(other)
    tab.wait_for_selector("#status.wrong")
    tab.locator("#language").click()
    assert "パレート図" in tab.locator("nav").inner_text()
