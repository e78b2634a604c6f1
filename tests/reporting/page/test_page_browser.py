"""The page in a real browser: no request, no error, the picker by keyboard, phone width, light and dark, no script."""

import re
import shutil

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install -e .[test]")

pytestmark = pytest.mark.slow

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("there is no Chromium: apt-get install chromium")
    with playwright.sync_playwright() as run:
        started = run.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])  # a sandbox refuses root
        yield started
        started.close()


@pytest.fixture
def opened(browser, page, tmp_path):
    """A function that opens the page; afterwards no request and no error must have occurred."""
    path, heard, contexts = tmp_path / "report.html", [], []
    path.write_text(page, encoding="utf-8", newline="\n")

    def opener(viewport=DESKTOP, scheme="light", script=True, anchor=""):
        context = browser.new_context(viewport=viewport, color_scheme=scheme, java_script_enabled=script)
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda message: heard.append(f"{message.type}: {message.text}"))
        tab.on("pageerror", lambda error: heard.append(str(error)))
        tab.on("dialog", lambda dialog: (heard.append(dialog.message), dialog.dismiss()))
        tab.on("request", lambda asked: heard.append(asked.url) if not asked.url.startswith(OWN) else None)
        tab.goto(f"{path.as_uri()}{anchor}")
        tab.wait_for_load_state("networkidle")
        return tab

    yield opener
    for context in contexts:
        context.close()
    assert heard == []


OWN = ("file:", "data:")


def shown(tab):
    """The headings of the users that can be seen."""
    return [one.text_content() for one in tab.locator("article.user:visible h3").all()]


def test_hostile_titles_run_nothing(opened):
    tab = opened()
    assert tab.evaluate("window.broken") is None
    assert tab.evaluate("getComputedStyle(document.body).display") == "block"
    assert tab.locator("img").count() == 1


def test_another_user_by_keyboard(opened):
    tab = opened()
    (first,) = shown(tab)
    tab.focus("#pick")
    tab.keyboard.press("ArrowDown")
    (second,) = shown(tab)
    assert second != first and tab.locator("#where").text_content() == "2 of 12"
    assert tab.locator("article.user:visible ol").count() == 2
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.id") == "after"
    tab.keyboard.press("Enter")
    (third,) = shown(tab)
    assert third not in (first, second) and tab.locator("#where").text_content() == "3 of 12"
    tab.focus("#before")
    for _ in range(3):
        tab.keyboard.press("Space")
    assert tab.locator("#where").text_content() == "12 of 12" and "film → book" in shown(tab)[0]


def test_a_link_to_a_user_shows_them(opened):
    last = opened().locator("article.user").last.get_attribute("id")
    assert opened(anchor=f"#{last}").locator("article.user:visible").get_attribute("id") == last


def test_without_script_all_users_are_there(opened):
    tab = opened(script=False)
    assert len(shown(tab)) == 12 and not tab.locator(".picker").is_visible()


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_the_body_never_scrolls_sideways(opened, viewport):
    tab = opened(viewport)
    for details in tab.locator("summary").all():
        details.click()
    wide = tab.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide == [viewport["width"]] * 2
    regions = tab.locator(".scroll").all()
    assert regions and all(region.get_attribute("tabindex") == "0" for region in regions)


def test_tables_that_are_wider_than_a_phone_say_so(opened):
    """The hint is below exactly the regions that scroll; on a wide screen the result table needs none."""
    for viewport in (PHONE, DESKTOP):
        tab = opened(viewport)
        regions = tab.evaluate(
            "[...document.querySelectorAll('.scroll')].map(one => [one.scrollWidth > one.clientWidth + 1,"
            " getComputedStyle(one, '::after').content.includes('scroll sideways')])"
        )
        assert all(scrolls == hint for scrolls, hint in regions)
        assert any(scrolls for scrolls, _ in regions) == (viewport == PHONE)


def test_a_long_name_leaves_room_for_numbers_on_a_phone(opened):
    tab = opened(PHONE)
    name = tab.locator("#results table.main tbody th").first
    name.evaluate(
        "one => { one.innerHTML = 'SASRec on both domains with text<small>sasrec-' + 'x'.repeat(60) + '</small>' }"
    )
    assert name.bounding_box()["width"] <= 0.45 * PHONE["width"]


def test_a_print_is_short_and_complete(opened):
    """All columns fit the paper, one user is printed, and the pages are few."""
    tab = opened()
    tab.emulate_media(media="print")
    tab.set_viewport_size({"width": 1031, "height": 703})  # A4 across, without margins, at 96 dots per inch
    assert tab.locator("article.user:visible").count() == 1
    assert tab.evaluate("Math.max(...[...document.querySelectorAll('table')].map(one => one.scrollWidth))") <= 1031
    pages = len(re.findall(rb"/Type\s*/Page\b", tab.pdf(prefer_css_page_size=True)))
    assert 3 <= pages <= 15


def test_pictures_keep_their_colours_in_the_dark(opened):
    image = opened(scheme="dark").locator(".picture img").first
    assert image.evaluate("one => getComputedStyle(one).filter") == "none"


def test_light_and_dark_can_both_be_read(opened):
    """Contrast by WCAG 2.2 of at least 4.5, of normal and of muted text, in charts too."""
    grounds = []
    for scheme in ("light", "dark"):
        tab = opened(scheme=scheme)
        ground = luminance(tab, "body", "backgroundColor")
        grounds.append(ground)
        for place in ("h1", ".lead", ".aside >> nth=0", "td.n >> nth=0", ".filed >> nth=0", "a >> nth=1"):
            assert contrast(luminance(tab, place, "color"), ground) >= 4.5, (scheme, place)
        assert contrast(luminance(tab, "svg.chart text >> nth=0", "fill"), ground) >= 4.5
        true = ".listed li.true"
        assert contrast(luminance(tab, f"{true} .brand", "color"), luminance(tab, true, "backgroundColor")) >= 4.5
    assert grounds[0] > 0.8 and grounds[1] < 0.05


def luminance(tab, place, kind):
    """Relative luminance of an element's colour."""
    found = tab.locator(place).first.evaluate(f"one => getComputedStyle(one)['{kind}']")
    parts = [float(part) / 255 for part in found[found.index("(") + 1 : -1].split(",")[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)
