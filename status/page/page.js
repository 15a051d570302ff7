(() => {
"use strict";
const body = document.body, path = body.dataset.path, lang = body.dataset.lang;
const byId = id => document.getElementById(id);
for (const part of document.querySelectorAll(".live-only")) part.hidden = false;

// morph makes an element like another one and keeps what is alike, so that focus,
// scrolling, selections and opened details outlive an update.
function morph(from, to) {
  for (const {name, value} of to.attributes)
    if (from.getAttribute(name) !== value) from.setAttribute(name, value);
  for (const {name} of [...from.attributes])
    if (!to.hasAttribute(name) && !(name === "open" && from.tagName === "DETAILS") && name !== "hidden") from.removeAttribute(name);
  const known = new Map([...from.children].filter(c => c.id).map(c => [c.id, c]));
  let at = from.firstChild;
  for (const next of [...to.childNodes]) {
    let same = next.id && known.get(next.id);
    if (!same && at && at.nodeType === next.nodeType && at.nodeName === next.nodeName && !at.id && !next.id) same = at;
    if (!same) { from.insertBefore(next, at); continue; }
    if (same !== at) from.insertBefore(same, at); else at = at.nextSibling;
    if (next.nodeType !== 1) { if (same.data !== next.data) same.data = next.data; }
    else if (!same.isEqualNode(next) && next.tagName !== "INPUT") morph(same, next);
  }
  while (at) { const gone = at; at = at.nextSibling; gone.remove(); }
}

function show(sections) {
  for (const [id, html] of Object.entries(sections)) {
    const old = byId(id);
    if (!old) continue;
    const fresh = old.cloneNode(false);
    fresh.innerHTML = html;
    for (const part of fresh.querySelectorAll(".live-only")) part.hidden = false;
    morph(old, fresh);
  }
  if (sections.flying) filter();
  if (sections.health) announce();
}

// announce tells screen readers of changes only.
let state = "";
function announce() {
  const now = byId("health-h");
  const text = [now.textContent, ...[...document.querySelectorAll(".problems .bad")].map(p => p.textContent)].join(". ");
  const mark = now.dataset.state;
  if (state && state !== mark) byId("spoken").textContent = text;
  state = mark;
  document.title = (mark === "healthy" ? "" : "⚠ ") + document.title.replace(/^⚠ /, "");
}

function filter() {
  const text = (byId("f-text")?.value || "").toLowerCase(), age = +(byId("f-age")?.value || 0);
  for (const row of document.querySelectorAll("#requests tr"))
    row.hidden = +row.dataset.age < age || !row.textContent.toLowerCase().includes(text);
}
byId("flying")?.addEventListener("input", filter);

const link = byId("link");
function connected(is) {
  link.className = "dot " + (is ? "on" : "off");
  link.textContent = is ? body.dataset.live : body.dataset.lost;
}

// follow opens a stream, again and again: a browser gives up for good when a server
// that is being restarted refuses. A page that nobody sees holds none: there are but
// six connections to a server for all of a browser's pages.
function follow(url, name, take, note) {
  let source, timer;
  const open = () => {
    close();
    if (document.hidden) return;
    source = new EventSource(url());
    source.onopen = () => note?.(true);
    source.onerror = () => {
      note?.(false);
      if (source.readyState === 2) timer = setTimeout(open, 3000);
    };
    source.addEventListener(name, e => take(JSON.parse(e.data), e));
  };
  const close = () => { clearTimeout(timer); source?.close(); };
  document.addEventListener("visibilitychange", open);
  open();
  return () => { document.removeEventListener("visibilitychange", open); close(); };
}
follow(() => path + "/events?as=html&lang=" + lang, "page", show, connected);
announce();

const list = byId("records"), form = byId("logform");
if (list) {
  const make = (tag, text, parent) => { const e = document.createElement(tag); e.textContent = text; parent.append(e, " "); };
  let last = 0, rows = [];
  // Rows are put in together: each time the browser lays out all of them.
  const put = () => {
    const low = list.scrollTop + list.clientHeight >= list.scrollHeight - 8;
    list.append(...rows);
    rows = [];
    while (list.children.length > 500) list.firstChild.remove();
    if (low) list.scrollTop = list.scrollHeight;
  };
  const add = r => {
    last = r.cursor;
    const row = document.createElement("li");
    row.className = r.level;
    make("time", r.time.slice(0, 19).replace("T", " "), row);
    make("b", r.level, row);
    if (r.worker) make("i", r.worker, row);
    make("span", r.message, row);
    for (const [k, v] of Object.entries(r.fields || {})) make("q", k + "=" + v, row);
    if (!rows.length) setTimeout(put, 100);
    rows.push(row);
  };
  let stop;
  const start = () => {
    stop?.();
    list.replaceChildren();
    last = 0;
    rows.length = 0;
    const query = new URLSearchParams(new FormData(form));
    query.delete("lang");
    stop = follow(() => path + "/logs/stream?" + query + (last ? "&cursor=" + last : ""), "log", add);
  };
  form.addEventListener("submit", e => { e.preventDefault(); start(); });
  form.addEventListener("change", start);
  start();
}
})();
