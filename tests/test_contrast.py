"""What is read is read well: the palette by computing it, every page by axe-core in a browser."""

from __future__ import annotations

import time
import tomllib
from pathlib import Path

import pytest
from browser import PATIENCE, ROOT, watched_page
from playwright.sync_api import expect

from workbench.charts import INKS

THEMES = tomllib.loads((ROOT / ".streamlit/config.toml").read_text("utf-8"))["theme"]
AXE = Path(__file__).parent / "axe" / "axe.min.js"  # axe-core 4.14.1, MPL 2.0, for tests alone
ADDRESSES = sorted(page.stem for page in (ROOT / "pages").glob("*.py"))


def luminance(color: str) -> float:
    """The relative luminance of #rrggbb (WCAG 2.2)."""
    values = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    return sum(share * v for share, v in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(first: str, second: str) -> float:
    """The contrast of two colours, 1 to 21 (WCAG 2.2)."""
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def mixed(front: str, back: str, share: float) -> str:
    """`front` at an opacity over `back`."""
    pairs = ((int(front[at : at + 2], 16), int(back[at : at + 2], 16)) for at in (1, 3, 5))
    return "#" + "".join(f"{round(f * share + b * (1 - share)):02x}" for f, b in pairs)


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("name", ["light", "dark"])
def test_the_palette_is_read_in_both_themes(name: str) -> None:
    theme = THEMES[name]
    grounds = {theme["backgroundColor"], theme["secondaryBackgroundColor"]}
    grounds |= {theme["sidebar"]["backgroundColor"], theme["sidebar"]["secondaryBackgroundColor"]}
    for ground in grounds:
        for ink in ("textColor", "linkColor", "codeTextColor"):
            assert contrast(theme[ink], ground) >= 4.5, (ink, ground)
        caption = mixed(theme["textColor"], ground, 0.85)  # page.css
        assert contrast(caption, ground) >= 4.5
    assert contrast("#ffffff", theme["primaryColor"]) >= 4.5  # a button's words on the accent
    assert contrast(theme["primaryColor"], theme["backgroundColor"]) >= 3  # a line, a frame
    assert contrast(INKS[name], theme["backgroundColor"]) >= 4.5  # a chart's words


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("address", ADDRESSES)
def test_axe_finds_nothing_serious_on_a_page(
    chromium, workbench_server, address: str, scheme: str
) -> None:
    with watched_page(chromium, color_scheme=scheme) as page:
        page.goto(f"{workbench_server}/{address}")
        page.wait_for_selector("h1")
        expect(page.locator(".stApp")).to_have_attribute(
            "data-test-script-state", "notRunning", timeout=PATIENCE
        )
        assert page.locator("h1").count() == 1
        assert page.title().endswith(" · Colorization workbench")
        assert lasting_faults(page) == []


def lasting_faults(page) -> list[str]:
    """What axe-core still finds when the page has settled: what fades in is pale for a moment."""
    patience = time.monotonic() + PATIENCE / 1000
    while (faults := found(page)) and time.monotonic() < patience:
        page.wait_for_timeout(500)
    return faults


def found(page) -> list[str]:
    """What axe-core calls serious or critical, whoever made it."""
    page.evaluate(AXE.read_text("utf-8"))
    violations = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
    return [
        f"{rule['id']}: {node['html'][:200]}"
        for rule in violations
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]
