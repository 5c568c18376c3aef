// Owns the console: a terminal on one side, a WebSocket on the other. A one-use ticket lets it in.
import { FitAddon } from "@xterm/addon-fit";
import { Terminal } from "@xterm/xterm";

const element = document.getElementById("terminal");
const status = document.getElementById("terminal-status");
const again = document.getElementById("terminal-again");
const chunk = 16 * 1024;

// xterm makes style elements of its own: the page's policy lets in those that bear its nonce.
function stampStyles(nonce) {
  const create = document.createElement.bind(document);
  document.createElement = (name, options) => {
    const made = create(name, options);
    if (name.toLowerCase() === "style") made.setAttribute("nonce", nonce);
    return made;
  };
}

async function ticket(data) {
  const body = new URLSearchParams({ csrf: data.csrf });
  const response = await fetch(`${data.ticket}?kind=${data.kind}`, { method: "POST", body });
  // An ended session answers with a page.
  const answer = await response.json().catch(() => ({ error: data.lost }));
  if (!answer.ticket) throw new Error(answer.error);
  return answer.ticket;
}

function start() {
  const data = element.dataset;
  stampStyles(data.nonce);
  const terminal = new Terminal({
    cursorBlink: true,
    fontFamily: "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace",
    fontSize: 14,
    scrollback: 5000,
    minimumContrastRatio: 4.5,
    // What a program inside prints is not worth a line in the browser's log.
    logLevel: "off",
    // What a program inside prints must not act on the browser: no links, no reports of the window.
    windowOptions: {},
    linkHandler: { activate() {} },
  });
  const fit = new FitAddon();
  terminal.loadAddon(fit);
  terminal.open(element);
  fit.fit();
  let socket = null;
  let over = false;

  const size = () => ({ cols: terminal.cols, rows: terminal.rows });
  const say = (text) => { status.textContent = text; };
  function ended(text) {
    over = true;
    say(text);
    again.hidden = false;
  }
  function notice({ notice: kind, text }) {
    if (kind === "writer") say(data.connected);
    else if (kind === "watching") say(data.watching);
    else if (kind === "exited") ended(data.exited);
    else if (kind === "ended") ended(data.ended);
    else ended(text || data.lost);
  }
  async function connect() {
    over = false;
    again.hidden = true;
    let pass;
    try {
      pass = await ticket(data);
    } catch (error) {
      return ended(error.message || data.lost);
    }
    socket = new WebSocket(`wss://${location.host}${data.socket}?kind=${data.kind}`);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      socket.send(JSON.stringify({ ticket: pass, ...size() }));
      say(data.connected);
      terminal.focus();
    };
    const own = socket;
    socket.onmessage = ({ data: message }) => {
      if (own !== socket) return;
      if (typeof message === "string") notice(JSON.parse(message));
      else terminal.write(new Uint8Array(message));
    };
    socket.onclose = () => { if (own === socket && !over) ended(data.lost); };
  }
  function send(bytes) {
    if (socket?.readyState !== WebSocket.OPEN) return;
    for (let at = 0; at < bytes.length; at += chunk) socket.send(bytes.subarray(at, at + chunk));
  }
  terminal.onData((text) => send(new TextEncoder().encode(text)));
  terminal.onBinary((text) => send(Uint8Array.from(text, (c) => c.charCodeAt(0))));
  terminal.onResize(() => { if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(size())); });
  new ResizeObserver(() => fit.fit()).observe(element);
  again.addEventListener("click", () => { terminal.reset(); connect(); });
  connect();
}

if (element) start();
