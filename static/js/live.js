// Owns the live figures: one event stream while the page is visible; patches words, widths and marks
// found by key, never a field, never HTML. The words come ready from the server, in its language.

const silence = 25_000;

// The page's elements that carry a live value, by the attribute's name and key.
function find(name, key) {
  return document.querySelectorAll(`[data-live${name}="${CSS.escape(key)}"]`);
}

const apply = {
  text(key, text) {
    for (const element of find("", key)) if (element.textContent !== text) element.textContent = text;
  },
  width(key, share) {
    for (const bar of find("-width", key)) {
      bar.setAttribute("width", share);
      const meter = bar.ownerSVGElement.classList;
      meter.toggle("meter-danger", share >= 95);
      meter.toggle("meter-warn", share >= 80 && share < 95);
    }
  },
  status(key, [word, icon]) {
    for (const element of find("-status", key)) element.className = `status status-${word}`;
    for (const use of find("-icon", key)) use.setAttribute("href", `${document.body.dataset.sprite}#i-${icon}`);
    for (const element of find("-state", key)) element.dataset.status = word;
    // A page that could not show a stopped container's console can show it now.
    if (word === "running" && document.querySelector("[data-reload-when-running]")) location.reload();
  },
  task(key, address) {
    for (const banner of document.querySelectorAll(`[data-task-banner="${CSS.escape(key)}"]`)) {
      banner.hidden = address === "";
      if (address) banner.querySelector("a").href = `/tasks/${encodeURIComponent(address)}`;
    }
  },
  progress(key, percent) {
    for (const bar of find("-progress", key)) percent === null ? bar.removeAttribute("value") : bar.setAttribute("value", percent);
  },
  log(key, [from, lines]) {
    for (const log of find("-log", key)) {
      const known = Number(log.dataset.lines);
      const fresh = lines.slice(Math.max(0, known - from));
      if (fresh.length === 0) continue;
      const follows = log.scrollTop + log.clientHeight >= log.scrollHeight - 4;
      log.append(fresh.map((line) => `${line}\n`).join(""));
      log.dataset.lines = known + fresh.length;
      if (follows) log.scrollTop = log.scrollHeight;
    }
  },
};

// Something that the list does not show, or shows no more: said, not done, so that no row moves under the pointer.
function compare(patch) {
  const hint = document.querySelector("[data-live-hint]");
  if (!hint) return;
  const kind = hint.dataset.liveHint;
  const isMissing = patch.here?.startsWith(kind) && find("-state", patch.here).length === 0 && document.querySelector("[data-live-all]");
  const isGone = patch.gone?.startsWith(kind) && kind === "ct-" && find("-state", patch.gone).length > 0;
  if (isMissing || isGone) hint.hidden = false;
}

function take(patch) {
  if (patch.ended) return location.reload();
  for (const [kind, change] of Object.entries(apply)) {
    for (const [key, value] of Object.entries(patch[kind] ?? {})) change(key, value);
  }
  compare(patch);
  // A task's own page shows its end whole: cause, next step.
  if (patch.gone && document.querySelector(`progress[data-live-progress="${CSS.escape(patch.gone)}"]`)) location.reload();
  if (patch.gone && document.querySelector(`[data-container-page="${CSS.escape(patch.gone)}"]`)) location.assign("/containers");
}

export function listen(body) {
  const address = body.dataset.events;
  const dot = document.querySelector("[data-live-dot]");
  if (!address || !dot) return;
  const words = dot.textContent;
  let source = null;
  let timer = 0;
  let heard = new Date();

  function show(state) {
    dot.dataset.live = state;
    dot.textContent = state === "off" ? `${body.dataset.lost} ${heard.toLocaleTimeString(document.documentElement.lang)}` : words;
    body.classList.toggle("stale", state === "off");
  }
  function alive() {
    heard = new Date();
    show("on");
    clearTimeout(timer);
    timer = setTimeout(() => show("off"), silence);
  }
  function open() {
    if (source || document.hidden) return;
    source = new EventSource(address);
    source.onmessage = (event) => { alive(); take(JSON.parse(event.data)); };
    source.onerror = () => {
      show("off");
      // Closed for good (the session may have ended): ask again, later.
      if (source?.readyState === EventSource.CLOSED) { close(); setTimeout(open, 5000); }
    };
  }
  function close() {
    source?.close();
    source = null;
    clearTimeout(timer);
  }
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  addEventListener("pagehide", close);
  addEventListener("pageshow", open);
  open();
}
