"""The dashboard in a real browser: what it shows, how it looks when narrow and dark, that it does
what it offers, and that nothing of what others wrote runs in it.

DASHBOARD_PICTURES=DIR keeps pictures of it.
"""
import gzip
import os
import re
import shutil
import signal

import pytest

from peers.http import fetch
from peers.wait import eventually

CHROMIUM = shutil.which("chromium")
DRIVER = shutil.which("chromedriver")
HOSTILE = "<img src=x onerror=document.title='owned'><script>document.title='owned'</script>"


@pytest.fixture(scope="module")
def browser():
    webdriver = pytest.importorskip("selenium.webdriver", reason="python3-selenium is not installed")
    if not CHROMIUM or not DRIVER:
        pytest.skip("chromium and chromium-driver are not installed")
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service
    options = Options()
    options.binary_location = CHROMIUM
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                 "--no-proxy-server", "--disable-background-networking", "--window-size=1280,900"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    try:
        driver = webdriver.Chrome(service=Service(executable_path=DRIVER), options=options)
    except Exception as failure:  # noqa: BLE001 (a browser that can't run here says nothing of us)
        pytest.skip(f"chromium does not start: {str(failure)[:200]}")
    driver.set_page_load_timeout(20)
    yield driver
    driver.quit()


class Page:
    """The dashboard of one daemon, by what a person sees."""

    def __init__(self, driver, daemon):
        self.driver = driver
        self.url = "http://{}:{}/".format(*daemon.admin)
        driver.get_log("browser")
        driver.get(self.url)

    def js(self, script, *arguments):
        return self.driver.execute_script("return " + script, *arguments)

    def text(self, selector):
        return self.js("document.querySelector(arguments[0])?.innerText ?? ''", selector)

    def rows(self):
        """Server name -> its cells, by the heading of their column."""
        return self.js("""Object.fromEntries([...document.querySelectorAll('tbody tr')].map((row) =>
            [row.querySelector('th span').innerText, Object.fromEntries(
                [...row.querySelectorAll('td[data-label]')].map((cell) =>
                    [cell.dataset.label, cell.innerText]))]))""")

    def wait(self, condition, what, timeout=15):
        return eventually(lambda: condition(self), timeout, what)

    def live(self):
        self.wait(lambda page: page.text("#link") == "Live", "the page is live")
        return self

    def press(self, label):
        self.driver.find_element("css selector", f"[aria-label='{label}']").click()

    def complaints(self):
        """What the browser's console says, refused connections of a stopped daemon aside."""
        return [entry["message"] for entry in self.driver.get_log("browser")
                if "ERR_CONNECTION_REFUSED" not in entry["message"]
                and "ERR_INCOMPLETE_CHUNKED_ENCODING" not in entry["message"]]

    def resize(self, width, height, dark=False):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {
            "features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]})

    def picture(self, name):
        directory = os.environ.get("DASHBOARD_PICTURES")
        if directory:
            self.driver.save_screenshot(os.path.join(directory, name + ".png"))


@pytest.fixture
def open_page(browser):
    def start(daemon):
        page = Page(browser, daemon)
        page.resize(1280, 900)
        return page.live()
    return start


ALLOWED = {"admin": {"allow_mutations": True}}


# ---- as it is served (no browser needed) --------------------------------------------------------


def test_it_is_one_small_compressed_page_with_a_strict_policy(remora):
    daemon = remora()
    name = "{}:{}".format(*daemon.admin)
    plain = fetch(daemon.admin, host=name)
    packed = fetch(daemon.admin, headers=[("Accept-Encoding", "gzip")], host=name)
    assert packed.header("Content-Encoding") == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) < 16_000
    policy = plain.header("Content-Security-Policy")
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert plain.header("X-Content-Type-Options") == "nosniff"
    assert plain.header("Cache-Control") == "no-cache"
    again = fetch(daemon.admin, headers=[("If-None-Match", plain.header("ETag"))], host=name)
    assert again.status == 304
    # Nothing is fetched from elsewhere.
    page = plain.body.decode()
    found = re.findall(r"https?://[^\s\"'<]+", page)
    assert set(found) <= {"http://www.w3.org/2000/svg", "http://127.0.0.1:9001"}, found


# ---- in a browser -------------------------------------------------------------------------------


def test_it_shows_servers_live(remora, backend, open_page):
    daemon = remora([{"url": backend("a").url, "id": "a", "weight": 2, "max_active": 7}])
    daemon.control.add("127.0.0.1:1", id="refuses")
    page = open_page(daemon)
    page.wait(lambda p: set(p.rows()) == {"a", "refuses"}, "both servers")
    rows = page.wait(lambda p: "ACTIVE" in p.rows()["a"]["State"] and p.rows(), "a is ACTIVE")
    assert "probe: HTTP 200" in rows["a"]["State"]
    assert rows["a"]["Active"] == "0 / 7"
    assert "connect" in rows["refuses"]["State"]
    assert page.text("#summary").startswith("1 of 2 take traffic")
    # Without a reload:
    daemon.control.remove("refuses")
    page.wait(lambda p: set(p.rows()) == {"a"}, "the removed server is gone")
    assert page.complaints() == []


def test_nothing_of_what_others_wrote_runs(remora, backend, open_page):
    daemon = remora([{"url": backend("a").url, "id": "a", "labels": {HOSTILE[:60]: HOSTILE}}],
                    top=ALLOWED)
    page = open_page(daemon)
    page.wait(lambda p: p.rows(), "a server")
    # What only a hostile server could say, given to the page as its own stream would.
    server = {"pool": HOSTILE, "id": HOSTILE, "uid": "u", "url": HOSTILE, "state": HOSTILE,
              "reason": HOSTILE, "weight": 1, "max_active": 0, "active": 1}
    page.js("showStats(arguments[0])", {"servers": [server], "mutations": True, "can_drain": True,
                                        "version": HOSTILE, "more": False})
    page.js("showEvent(arguments[0])", {"time": HOSTILE, "kind": HOSTILE, "pool": HOSTILE,
                                        "server": HOSTILE, "cause": HOSTILE, "from": HOSTILE,
                                        "to": HOSTILE})
    assert page.js("document.querySelectorAll('img, main script').length") == 0
    assert HOSTILE in page.text("#events")
    assert "owned" not in page.driver.title
    # And if a slip did put markup in, the policy would stop it.
    page.driver.execute_script(
        "try { document.body.insertAdjacentHTML('beforeend', arguments[0]); } catch { }", HOSTILE)
    assert page.js("document.querySelectorAll('img').length") == 0


def test_changes_are_hidden_where_they_are_not_allowed(remora, backend, open_page):
    daemon = remora([backend("a").url])
    page = open_page(daemon)
    page.wait(lambda p: p.rows(), "a server")
    assert page.js("document.querySelectorAll('tbody button').length") == 0
    assert page.js("document.getElementById('add').hidden")
    assert "admin.allow_mutations: true" in page.text("#locked")


def test_a_server_is_added_and_removed_with_confirmation(remora, backend, open_page):
    daemon = remora([{"url": backend("a").url, "id": "a"}], top=ALLOWED)
    page = open_page(daemon)
    page.wait(lambda p: p.rows(), "a server")
    assert page.js("document.getElementById('locked').hidden")
    page.driver.find_element("id", "url").send_keys(backend("b").url)
    page.driver.find_element("id", "id").send_keys("b\n")
    page.wait(lambda p: "ACTIVE" in p.rows().get("b", {}).get("State", ""), "b is ACTIVE")
    assert "default/b is added" in page.text("#said")
    # No is no.
    page.press("Remove b of pool default")
    assert page.text("#question") == "Remove default/b?"
    page.picture("confirm")
    page.driver.find_element("css selector", "#ask [value=no]").click()
    assert {s.id for s in daemon.control.list()} == {"a", "b"}
    page.press("Remove b of pool default")
    page.driver.find_element("id", "yes").click()
    page.wait(lambda p: set(p.rows()) == {"a"}, "b is gone")
    assert {s.id for s in daemon.control.list()} == {"a"}
    # What is wrong is said, in words.
    page.driver.find_element("id", "url").send_keys("nonsense\n")
    page.wait(lambda p: "http://host:port" in p.text("#said"), "the error is shown")
    assert page.complaints() == [] or all("400" in line for line in page.complaints())


def test_a_server_is_drained_and_brought_back_and_traffic_is_counted(remora, backend, open_page):
    daemon = remora([{"url": backend("a").url, "id": "a"}, {"url": backend("b").url, "id": "b"}],
                    top=ALLOWED)
    page = open_page(daemon)
    page.wait(lambda p: set(p.rows()) == {"a", "b"}, "the servers")
    page.press("Drain b of pool default")
    page.driver.find_element("id", "yes").click()
    page.wait(lambda p: "DRAINING" in p.rows()["b"]["State"], "b drains")
    page.wait(lambda p: "drain" in p.text("#events"), "the event")

    def counted(p):
        assert {fetch(daemon.data).json()["backend"] for _ in range(5)} == {"a"}
        return float(p.rows()["a"]["Requests/s"].replace(",", "").replace("\u2013", "0")) > 0
    page.wait(counted, "requests a second")
    page.wait(lambda p: p.rows()["a"]["p50 ms"] != "\u2013", "quantiles")
    page.press("Undrain b of pool default")
    page.driver.find_element("id", "yes").click()
    page.wait(lambda p: "ACTIVE" in p.rows()["b"]["State"], "b takes part again")
    page.picture("traffic")
    assert page.complaints() == []


def test_a_lost_connection_is_shown_and_made_again(remora, backend, open_page):
    daemon = remora([backend("a").url])
    page = open_page(daemon)
    daemon.signal(signal.SIGSTOP)
    try:
        # What a page sees of a daemon that is gone: its stream ends.
        page.js("source.dispatchEvent(new Event('error'))")
        page.wait(lambda p: "Connection lost" in p.text("#link"), "the loss is shown")
    finally:
        daemon.signal(signal.SIGCONT)
    page.live()
    daemon.stop()
    page.wait(lambda p: "Connection lost" in p.text("#link"), "the end is shown")
    page.picture("lost")


def test_it_fits_320_pixels_and_both_colour_schemes(remora, backend, open_page):
    daemon = remora([{"url": backend("a").url, "id": "a"},
                     {"url": backend("b").url, "id": "a-name-of-the-full-length-" + "x" * 37}],
                    top=ALLOWED)
    daemon.control.add("127.0.0.1:1", id="refuses", max_active=100)
    page = open_page(daemon)
    page.wait(lambda p: len(p.rows()) == 3 and "0" in p.rows()["a"]["Active"], "the servers")
    page.js("showEvent({time: '2026-01-01T10:00:00Z', kind: 'health', pool: 'default', server: 'a',"
            " cause: 'probe: HTTP 200', from: 'WARMING', to: 'ACTIVE'})")
    # Numbers as a busy server has them, a minute long.
    page.js("source.close()")
    servers = [{"pool": "default", "id": name, "uid": name, "url": "http://127.0.0.1:9001",
                "state": state, "reason": reason, "weight": 2, "max_active": 0, "active": 12}
               for name, state, reason in (("api-1", "ACTIVE", "probe: HTTP 200"),
                                           ("api-2-" + "x" * 57, "ACTIVE", "probe: HTTP 200"),
                                           ("api-3", "UNHEALTHY", "probe: connect refused"),
                                           ("api-4", "DRAINING", "removed; running requests finish"))]
    for second in range(60):
        for number, server in enumerate(servers):
            server.update(requests=second * 1000, failures=number * 1234, p50_ms=1.25, p99_ms=20.5,
                          rps=(second * (number + 3)) % 17 * 71.5)
        page.js("showStats(arguments[0])", {"servers": servers, "mutations": True, "more": False,
                                            "can_drain": True, "version": "0.1.0"})
    assert page.rows()["api-3"]["Errors"] == "2,468"
    assert page.rows()["api-1"]["p99 ms"] == "20.5"
    spark = page.js("document.querySelector('.spark').ariaLabel")
    assert re.fullmatch(r"Requests a second: now [0-9,.]+, at most [0-9,.]+ in the last minute", spark)
    assert len(page.js("document.querySelector('.spark polyline').getAttribute('points')").split()) == 60
    colours = []
    for name, width, dark in (("desktop-light", 1280, False), ("desktop-dark", 1280, True),
                              ("narrow-light", 320, False), ("narrow-dark", 320, True)):
        page.resize(width, 900, dark)
        wide = page.wait(lambda p: p.js("innerWidth") == width
                         and p.js("document.documentElement.scrollWidth"), "the new width")
        assert wide <= width, f"{name}: the page is {wide} pixels wide"
        colours.append(page.js("getComputedStyle(document.body).backgroundColor"))
        assert contrast(page) >= 4.5, name
        page.picture(name)
    assert colours[0] != colours[1] and colours[:2] == colours[2:]


def contrast(page):
    """The least contrast of text with what is behind it (WCAG 2, 1.4.3), over the page."""
    return page.js("""(() => {
      const channels = (c) => c.match(/[\\d.]+/g).map(Number);
      const light = (c) => channels(c).slice(0, 3).map((v) => v / 255)
        .map((v) => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
      const behind = (node) => {
        for (let n = node; n; n = n.parentElement) {
          const c = getComputedStyle(n).backgroundColor, parts = channels(c);
          if (parts.length < 4 || parts[3] > 0) return c;
        }
        return 'rgb(255, 255, 255)';
      };
      let least = 21;
      for (const node of document.querySelectorAll('main *, header *')) {
        const own = [...node.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
        if (!own || !node.getClientRects().length) continue;
        const a = light(getComputedStyle(node).color), b = light(behind(node));
        least = Math.min(least, (Math.max(a, b) + .05) / (Math.min(a, b) + .05));
      }
      return least;
    })()""")


def test_it_can_be_read_and_used_without_eyes_or_mouse(remora, backend, open_page):
    daemon = remora([{"url": backend("a").url, "id": "a"}], top=ALLOWED)
    page = open_page(daemon)
    page.wait(lambda p: p.rows(), "a server")
    for width in (1280, 320):
        page.resize(width, 900)
        tree = page.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
        found = {(node.get("role", {}).get("value"), node.get("name", {}).get("value"))
                 for node in tree if not node.get("ignored")}
        for wanted in (("heading", "Servers"), ("table", "Pool default"), ("rowheader", None),
                       ("button", "Remove a of pool default"), ("textbox", "URL"),
                       ("list", "Recent events"), ("button", "Add")):
            assert any(role == wanted[0] and (wanted[1] is None or wanted[1] == name)
                       for role, name in found), (width, wanted)
        # Every image, field and button has a name.
        assert [entry for entry in found
                if entry[0] in ("img", "image", "button", "textbox", "spinbutton")
                and not entry[1]] == []
    page.resize(1280, 900)
    assert page.js("document.documentElement.lang") == "en"
    assert page.js("document.getElementById('link').getAttribute('role')") == "status"
    page.wait(lambda p: p.js("document.getElementById('events').ariaLive") == "polite", "aria-live")
    # The first stop of the keyboard leads to the servers, and what has the focus can be seen.
    from selenium.webdriver.common.keys import Keys
    page.driver.find_element("css selector", "body").send_keys(Keys.TAB)
    assert page.js("document.activeElement.className") == "skip"
    page.driver.find_element("id", "url").send_keys("")
    assert page.js("getComputedStyle(document.activeElement).outlineStyle") != "none"
