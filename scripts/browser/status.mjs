// The status page in a real browser: node status.mjs BINARY [IMAGES]
//
// It starts a server with a small application, loads the page as operators do, and
// looks at what they would see. With IMAGES, a folder, it also takes the pictures of
// the documentation. CHROMIUM names the browser.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import axe from "axe-core";
import { chromium } from "playwright-core";

const [binary, images] = process.argv.slice(2);
const token = "a-token-for-this-test-only";
const patience = 20_000;
const application = `
import logging, time
def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/slow":
        time.sleep(float(environ["QUERY_STRING"]))
    if path == "/fail":
        raise RuntimeError("the <b>database</b> is away")
    if path == "/log":
        logging.warning("said by the application: %s", environ["QUERY_STRING"])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]
`;

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "status-"));
fs.writeFileSync(path.join(folder, "shop.py"), application);
const port = await freePort();
const origin = `http://localhost:${port}`;
let server;

async function freePort() {
  const s = net.createServer().listen(0, "127.0.0.1");
  await once(s, "listening");
  const { port } = s.address();
  s.close();
  return port;
}

async function startServer() {
  server = spawn(binary, ["-b", `127.0.0.1:${port}`, "-w", "gthread:3", "--threads", "4", "--graceful-timeout", "5s", "shop:app"], {
    cwd: folder, env: { ...process.env, ASTERI_STATUS_TOKEN: token }, stdio: ["ignore", "ignore", "pipe"],
  });
  let log = "";
  server.stderr.on("data", text => { log += text; });
  await until("the server runs", () => /Running /.test(log) || server.exitCode !== null);
  assert.equal(server.exitCode, null, log);
}

async function stopServer() {
  server.kill("SIGTERM");
  if (server.exitCode === null) await once(server, "exit");
}

async function until(what, is) {
  for (const end = Date.now() + patience; !(await is()); await new Promise(r => setTimeout(r, 50)))
    if (Date.now() > end) assert.fail(`waited in vain: ${what}`);
}

const agent = new http.Agent({ keepAlive: true, maxSockets: 16 });
const get = target => new Promise(done => {
  const r = http.get(origin + target, { agent }, a => { a.resume(); a.on("end", () => done(a.statusCode)); a.on("error", () => done(0)); });
  r.on("error", () => done(0));
});

// load asks for something all the time, until it is stopped.
function load() {
  let on = true;
  const one = async i => {
    for (let n = i; on; n++) {
      await get(n % 97 === 0 ? "/fail" : "/");
      await new Promise(r => setTimeout(r, 5 + (n % 7) * 3));
    }
  };
  const all = Promise.all(Array.from({ length: 8 }, (_, i) => one(i)));
  return async () => { on = false; await all; };
}

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
  args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
});
const complaints = [];

// open makes a page whose every complaint is noted: errors, and what the policy stopped.
async function open(options = {}, expected = () => false) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: "en", ...options });
  const page = await context.newPage();
  page.on("pageerror", e => complaints.push(`${page.url()}: ${e}`));
  page.on("console", m => {
    if (["error", "warning"].includes(m.type()) && !expected(m.text())) complaints.push(`${page.url()}: ${m.text()}`);
  });
  page.on("request", r => { if (!r.url().startsWith(origin)) complaints.push(`asked another server: ${r.url()}`); });
  return page;
}

async function signedIn(options, expected) {
  const page = await open(options, expected);
  await page.goto(`${origin}/asteri-status?token=${token}`);
  assert.equal(page.url(), `${origin}/asteri-status`, "the token shows in the address");
  return page;
}

// accessible fails for what axe calls serious or worse.
async function accessible(page, name) {
  // Put in by the debugger, whom the page's policy does not bind.
  await page.evaluate(axe.source);
  const found = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
  const bad = found.violations.filter(v => ["serious", "critical"].includes(v.impact));
  assert.deepEqual(bad.map(v => [v.id, v.nodes.map(n => n.html.slice(0, 200))]), [], name);
  const minor = found.violations.map(v => v.id);
  console.log(`ok   axe, ${name}: ${found.passes.length} rules passed${minor.length ? `, minor: ${minor}` : ""}`);
}

async function picture(page, name) {
  if (!images) return;
  fs.mkdirSync(images, { recursive: true });
  await page.screenshot({ path: path.join(images, `status-${name}.png`) });
}

const number = async (page, title) => {
  const text = await page.locator(".tiles div", { hasText: title }).first().locator("dd").innerText();
  return parseFloat(text.replace(/,/g, ""));
};
const live = page => until("the page is live", async () => (await page.locator("#link").getAttribute("class")).includes("on"));
const test = async (name, run) => { await run(); console.log(`ok   ${name}`); };

try {
  await startServer();
  let stop = load();
  const page = await signedIn();

  await test("the cookie is nobody's but the server's", async () => {
    const cookies = await page.context().cookies(`${origin}/asteri-status`);
    assert.equal(cookies.length, 1);
    assert.ok(cookies[0].httpOnly && cookies[0].sameSite === "Strict");
    assert.equal(await page.evaluate(() => document.cookie), "");
    assert.equal((await page.context().cookies(`${origin}/`)).length, 0);
  });

  await test("it is live while requests are answered", async () => {
    await live(page);
    await until("the rate rises", async () => (await number(page, "Requests/s")) > 20);
    const served = () => page.locator("#workers tbody tr td:nth-child(7)").first().innerText();
    const before = await served();
    await until("workers' counts move", async () => (await served()) !== before);
    assert.equal(await page.locator("#workers tbody tr").count(), 3);
    assert.ok((await page.locator("#history path").count()) >= 4);
  });

  await test("errors show, as text", async () => {
    await until("an error", async () => (await page.locator("#errors li").count()) > 0);
    const id = await page.locator("#errors li").first().getAttribute("id"); // others will come before it
    const one = page.locator(`#${id}`);
    await one.locator("summary").click();
    assert.match(await one.innerText(), /the <b>database<\/b> is away/);
    await page.waitForTimeout(2500); // two updates
    assert.ok(await one.locator("details").evaluate(d => d.open), "an update closed what was open");
  });

  await test("a slow request shows, with its worker and the worker's stack", async () => {
    const slow = get("/slow?15");
    const row = page.locator("#requests tr", { hasText: "/slow" });
    await row.waitFor({ timeout: patience });
    assert.match(await row.innerText(), /running/);
    const pid = (await row.locator("td").last().innerText()).split(/\s/)[0];
    const stack = await page.context().newPage();
    await row.locator("a").click({ modifiers: ["ControlOrMeta"] }).catch(() => {});
    await stack.goto(`${origin}/asteri-status/stack?pid=${pid}`);
    assert.match(await stack.innerText("body"), /time\.sleep/);
    await stack.close();
    await page.fill("#f-text", "nothing like this");
    assert.equal(await row.isVisible(), false);
    await page.waitForTimeout(1500);
    assert.equal(await row.isVisible(), false, "an update undid the filter");
    await page.fill("#f-text", "/slow");
    await row.waitFor({ timeout: patience });
    await page.fill("#f-text", "");
    await slow;
  });

  await test("the log follows, and is filtered", async () => {
    await get("/log?first");
    await page.locator("#records li", { hasText: "said by the application: first" }).waitFor({ timeout: patience });
    await page.selectOption("#logform select[name=level]", "ERROR");
    await until("only errors", async () => (await page.locator("#records li.WARNING").count()) === 0 && (await page.locator("#records li.ERROR").count()) > 0);
    await page.selectOption("#logform select[name=level]", "DEBUG");
  });

  await test("so are requests, with what is known of them", async () => {
    await page.selectOption("#logform select[name=source]", "access");
    await page.fill("#logform input[name=text]", "/log?second");
    await page.keyboard.press("Enter");
    const line = page.locator("#records li.INFO", { hasText: "GET /log?second HTTP/1.1 200" }).first();
    await until("a request", async () => { // before somebody looks, only a sample is kept
      await get("/log?second");
      return line.isVisible();
    });
    assert.match(await line.innerText(), /app_time=0\.\d+ .*request_id=[0-9a-f]{32}/);
    await page.fill("#logform input[name=text]", "");
    await page.selectOption("#logform select[name=level]", "ERROR");
    await page.locator("#records li.ERROR", { hasText: "GET /fail HTTP/1.1 500" }).first().waitFor({ timeout: patience });
    assert.equal(await page.locator("#records li.INFO").count(), 0);
    await page.selectOption("#logform select[name=level]", "DEBUG");
    await page.selectOption("#logform select[name=source]", "");
  });

  await test("focus outlives updates, and keys are enough", async () => {
    await page.locator("#health summary").first().focus();
    await page.waitForTimeout(2500);
    assert.equal(await page.evaluate(() => document.activeElement.tagName), "SUMMARY");
    await page.keyboard.press("Enter");
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.value), "reload");
    await page.keyboard.press("Shift+Tab");
    await page.keyboard.press("Enter");
  });

  await accessible(page, "light");
  await page.evaluate(() => scrollTo(0, 0));
  await page.waitForTimeout(25_000); // something to see in the charts
  await picture(page, "light");

  await test("it is small, and painted at once", async () => {
    await stop(); // the browser has enough to do with two processors
    const paints = [];
    let size = 0;
    for (let i = 0; i < 9; i++) {
      await page.reload();
      const painted = () => page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime);
      await until("it is painted", painted);
      paints.push(Math.round(await painted()));
      size = Math.max(size, await page.evaluate(() => performance.getEntriesByType("navigation")[0].encodedBodySize));
    }
    paints.sort((a, b) => a - b);
    console.log(`info first contentful paint after ${paints.join(", ")} ms; ${size} bytes on the wire`);
    assert.ok(paints[4] < 200, "the median is 200 ms or more");
    assert.ok(size < 60_000, "it is 60 kB or more");
    stop = load();
  });

  const dark = await signedIn({ colorScheme: "dark" });
  await live(dark);
  await accessible(dark, "dark");
  await picture(dark, "dark");

  const phone = await signedIn({ viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, locale: "id-ID" });
  await test("on a phone, in Indonesian", async () => {
    await live(phone);
    assert.equal(await phone.locator("html").getAttribute("lang"), "id");
    assert.match(await phone.innerText("#now"), /Permintaan\/d/);
    assert.ok(await phone.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "the page is wider than the phone");
  });
  await accessible(phone, "phone");
  await picture(phone, "phone");

  const guest = await open();
  await test("who has no token sees how the server is, and no more", async () => {
    await guest.goto(`${origin}/asteri-status`);
    await live(guest);
    for (const id of ["memory", "flying", "errors", "config", "log", "act"]) assert.equal(await guest.locator(`#${id}`).count(), 0);
    await accessible(guest, "guest");
    await guest.fill("input[name=token]", token);
    await guest.click("form[action$=login] button");
    await guest.locator("#config").waitFor({ timeout: patience });
    assert.equal(guest.url(), `${origin}/asteri-status`);
  });

  await test("a stranger is offered the form", async () => {
    const stranger = await open({ extraHTTPHeaders: { Via: "1.1 proxy" } }, text => text.includes("403"));
    assert.equal((await stranger.goto(`${origin}/asteri-status`)).status(), 403);
    await accessible(stranger, "stranger");
  });

  await test("without JavaScript it is a page of tables", async () => {
    const plain = await signedIn({ javaScriptEnabled: false });
    assert.equal(await plain.locator("#workers tbody tr").count(), 3);
    assert.ok((await plain.locator("#records li").count()) > 0);
    assert.ok((await plain.locator("#config tbody tr").count()) > 50);
  });

  const pids = () => page.locator("#workers tbody th").allInnerTexts();
  await test("a reload from the page, while it stays", async () => {
    const before = await pids();
    await page.locator("#health summary", { hasText: "Reload" }).click();
    await page.locator("#health button", { hasText: "Reload" }).click();
    await page.locator(".done").waitFor({ timeout: patience });
    await live(page);
    await until("three new workers", async () => {
      const now = await pids();
      return now.length === 3 && now.every(p => !before.includes(p));
    });
  });

  await test("one worker is replaced", async () => {
    const [first] = await pids();
    const row = page.locator(`#w${first}`);
    await row.locator("summary", { hasText: "Restart" }).click();
    await row.locator("button").click();
    await live(page);
    await until("another worker", async () => { const now = await pids(); return now.length === 3 && !now.includes(first); });
  });

  await stop();
  const lasting = await signedIn({}, text => /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED|ERR_CONNECTION_RESET|status of 503/.test(text));
  await test("the server is restarted, and the page finds it again", async () => {
    await live(lasting);
    await page.close(); await dark.close(); await phone.close(); await guest.close();
    await stopServer();
    await until("it says so", async () => (await lasting.locator("#link").getAttribute("class")).includes("off"));
    await startServer();
    await live(lasting);
    await until("the new server's workers", async () => (await lasting.locator("#workers tbody tr").count()) === 3);
  });

  assert.deepEqual(complaints, []);
  console.log("ok   nothing complained");
} catch (e) {
  for (const context of browser.contexts())
    for (const p of context.pages())
      console.error("page", p.url(), JSON.stringify((await p.innerText("body", { timeout: 1000 }).catch(() => "")).slice(0, 300)));
  throw e;
} finally {
  await browser.close();
  server?.kill("SIGKILL");
  fs.rmSync(folder, { recursive: true, force: true });
}
