"""The HTML report in a real browser, opened from disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from lab.report import build, write
from lab.report.page import as_html
from tests.fake_reports import with_many_fixes, without_limits, without_verdict
from tests.fake_run import DIFF, scenario, write_run

CHROMIUM = Path(os.environ.get("LAB_CHROMIUM", "/usr/bin/chromium"))

CHANGED = {"many fixes": with_many_fixes, "no verdict": without_verdict, "no limits": without_limits}

CONTRAST = """() => {
  const channels = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (rgb) => {
    const [r, g, b] = rgb.map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (node) => {
    for (; node; node = node.parentElement) {
      const found = channels(getComputedStyle(node).backgroundColor);
      if (found.length < 4 || found[3] > 0) return found.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const node of document.querySelectorAll("body *")) {
    const text = [...node.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!text || node.closest("script, title, desc") || !node.getClientRects().length) continue;
    const style = getComputedStyle(node);
    const color = channels(node.closest("svg") ? style.fill : style.color).slice(0, 3);
    const [a, b] = [light(color), light(ground(node))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const said = node.textContent.trim().slice(0, 40);
    if (ratio < 4.5) poor.push(`${node.tagName}.${node.getAttribute("class")} ${ratio.toFixed(2)}: ${said}`);
  }
  return poor;
}"""

OVERLAPS = """() => {
  const found = [];
  for (const svg of document.querySelectorAll(".chart svg")) {
    if (!svg.getClientRects().length) continue;
    const frame = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll("text")].map((t) => [t.textContent, t.getBoundingClientRect()]);
    texts.forEach(([said, a], n) => {
      if (a.left < frame.left - 2 || a.right > frame.right + 2) found.push(`clipped: ${said}`);
      for (const [other, b] of texts.slice(n + 1)) {
        const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (wide > 1 && high > 3) found.push(`${said} / ${other}`);
      }
    });
  }
  return found;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        if os.environ.get("CI"):
            pytest.fail(f"CI looks at the report in a real browser, and there is none at {CHROMIUM}")
        pytest.skip(f"no browser at {CHROMIUM}")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=str(CHROMIUM),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield running
        running.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = write_run(tmp_path_factory.mktemp("reports"))
    report = build(folder, scenario(), {"single-flight": DIFF})
    found = {"plain": write(report, folder, {"html"})["html"]}
    for name, change in CHANGED.items():
        found[name] = folder.path / f"{name}.html"
        found[name].write_text(as_html(change(report)), encoding="utf-8")
    return found


def opened(
    browser: Browser, path: Path, width: int = 1280, scheme: str = "light", *, scripts: bool = True
) -> Page:
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=scheme,  # type: ignore[arg-type]
        java_script_enabled=scripts,
    )
    page = context.new_page()
    page.goto(path.as_uri())
    return page


VARIANTS = ("plain", *CHANGED)


@pytest.mark.parametrize("name", VARIANTS)
def test_it_opens_from_disk_without_errors_and_asks_for_nothing(
    browser: Browser, pages: dict[str, Path], name: str
) -> None:
    page = browser.new_page()
    told: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(pages[name].as_uri())
    page.wait_for_load_state("networkidle")
    assert told == []
    assert asked == [pages[name].as_uri()]
    page.close()


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("width", [360, 390, 760, 1024, 1400])
def test_it_never_scrolls_sideways(browser: Browser, pages: dict[str, Path], name: str, width: int) -> None:
    page = opened(browser, pages[name], width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.context.close()


@pytest.mark.parametrize("width", [360, 390, 780, 1280])
@pytest.mark.parametrize("name", VARIANTS)
def test_no_text_in_a_chart_is_clipped_or_covered_by_another(
    browser: Browser, pages: dict[str, Path], name: str, width: int
) -> None:
    page = opened(browser, pages[name], width)
    assert page.evaluate(OVERLAPS) == []
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", VARIANTS)
def test_every_text_has_enough_contrast(
    browser: Browser, pages: dict[str, Path], name: str, scheme: str
) -> None:
    page = opened(browser, pages[name], scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((d) => d.open = true)")
    assert page.evaluate(CONTRAST) == []
    page.context.close()


def test_dark_is_dark(browser: Browser, pages: dict[str, Path]) -> None:
    grounds = []
    for scheme in ("light", "dark"):
        page = opened(browser, pages["plain"], scheme=scheme)
        grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        page.context.close()
    assert grounds[0] != grounds[1]


def test_it_makes_sense_with_scripts_off(browser: Browser, pages: dict[str, Path]) -> None:
    page = opened(browser, pages["plain"], scripts=False)
    assert page.get_by_role("heading", level=1).inner_text() == "single-flight resolves it"
    assert page.get_by_text("lab run stampede --seed 7").is_visible()
    assert page.locator(".chart svg.wide").first.is_visible()
    assert not page.locator(".chart svg.narrow").first.is_visible()
    page.get_by_text("The numbers of this chart").first.click()
    assert page.get_by_role("cell", name="−18 to −15").first.is_visible()
    page.context.close()


def test_screen_readers_find_landmarks_headings_and_charts(browser: Browser, pages: dict[str, Path]) -> None:
    page = opened(browser, pages["plain"])
    for role in ("banner", "main", "navigation", "contentinfo"):
        assert page.get_by_role(role).count() == 1, role  # type: ignore[arg-type]
    assert page.get_by_role("heading", level=1).count() == 1
    assert page.get_by_role("img", name="Latency, failures and throughput over the run").count() == 1
    page.context.close()


def test_a_phone_gets_the_charts_drawn_for_it(browser: Browser, pages: dict[str, Path]) -> None:
    page = opened(browser, pages["plain"], 390)
    assert page.locator(".chart svg.narrow").first.is_visible()
    assert not page.locator(".chart svg.wide").first.is_visible()
    smallest = page.evaluate(
        "Math.min(...[...document.querySelectorAll('.chart svg.narrow text')].map((t) =>"
        " parseFloat(getComputedStyle(t).fontSize) * t.ownerSVGElement.clientWidth / 380))"
    )
    assert smallest >= 9.5
    page.context.close()


def test_it_prints(browser: Browser, pages: dict[str, Path]) -> None:
    page = opened(browser, pages["plain"])
    page.emulate_media(media="print")
    assert not page.get_by_role("navigation").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.context.close()
