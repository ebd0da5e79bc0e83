// The page put together: what comes in, and what shows it.

import { Lamp } from "./beat.js";
import { $, say, table } from "./dom.js";
import { Feed } from "./feed.js";
import { History } from "./history.js";
import * as panels from "./panels.js";
import { Plot } from "./plot.js";
import { clock, lateness, LOCK, number, SEVERITY } from "./words.js";

const WORDS_MS = 250; // figures change no faster than they can be read
const STATUS_MS = 5000;
const CALM_MS = 1500; // what is announced has lasted this long

const feed = new Feed();
const history = new History();
const plot = new Plot(history, $("plot"), $("cursor"), $("readout"));
new Lamp(feed, $("lamp"), $("dots"));
let told = null; // the newest telemetry
let status = null; // the newest /status
let wanted = false; // there is something new to show

feed.addEventListener("hello", async ({ detail }) => {
  say("about", `k1edge ${detail.version}`);
  const kept = await ask("/page/drift.json");
  if (kept) history.replace(kept);
  look();
});
feed.addEventListener("telemetry", ({ detail }) => {
  told = detail;
  wanted = true;
  history.heard(detail);
  plot.pair(detail.wall_ms, detail.monotonic_ns / 1e6);
});
feed.addEventListener("alert", look);
feed.addEventListener("state", connection);

setInterval(() => {
  if (feed.state !== "live") connection();
  if (!wanted || document.hidden) return;
  wanted = false;
  panels.now(told);
  panels.health(told, status);
  plot.draw();
  announce();
}, WORDS_MS);

setInterval(() => {
  if (feed.state !== "live" || document.hidden) return;
  look();
  minutes();
  document.title = told?.bpm ? `${told.bpm.toFixed(0)} bpm, ${lateness(told.drift.drift_ms, 0)} · k1edge` : "k1edge";
}, STATUS_MS);

async function ask(path) {
  try {
    // not relative: the page may have been opened as http://user:token@…, which no fetch may have
    const answer = await fetch(location.origin + path, { signal: AbortSignal.timeout(3000) });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null; // the connection says it
  }
}

async function look() {
  const fresh = await ask("/status");
  if (!fresh) return;
  status = fresh;
  say("name", status.network?.announced ?? status.id);
  panels.latency(status);
  panels.alerts(status);
  const peers = status.network?.peers?.length ? await ask("/page/peers.json") : [];
  if (peers) panels.peers(peers);
}

function connection() {
  document.documentElement.dataset.state = feed.state;
  const now = performance.now();
  const since = feed.heardAt === null ? "" : `, figures are ${Math.round((now - feed.heardAt) / 1000)} s old`;
  const again = Math.max(0, Math.ceil((feed.retryAt - now) / 1000));
  say("connection", {
    connecting: "Connecting…",
    live: "Live",
    stale: `Connected, but silent${since}`,
    lost: `No connection${since}; trying again ${again ? `in ${again} s` : "now"}`,
  }[feed.state]);
}

let announced = "";
let candidate = ["", 0];

/** Lock and severity for those who listen to the page; nothing that only flickers. */
function announce() {
  const words = `${LOCK[told.lock]}. ${told.drift.severity ? SEVERITY[told.drift.severity] : "Nothing to compare"}.`;
  if (words !== candidate[0]) candidate = [words, performance.now()];
  if (words === announced || performance.now() - candidate[1] < CALM_MS) return;
  announced = words;
  say("announce", words);
}

function minutes() {
  if (!told) return;
  const { count, median } = history.whole();
  say("plot-words", `Drift over the last five minutes: ${count} flashes, ${count ? `${lateness(median)} in the middle` : "none compared"}. The table below has the figures.`);
  if (!$("table-fold").open) return;
  const wall = (ms) => clock(told.wall_ms + ms - told.monotonic_ns / 1e6);
  table("table", history.minutes().map((m) => [
    wall(m.from), String(m.count), number(m.median, 1, true), number(m.p95), number(m.worst, 1, true),
  ]));
}

$("table-fold").addEventListener("toggle", minutes);

const theme = $("theme");
const paint = () => (document.documentElement.dataset.theme = theme.value);
theme.addEventListener("change", () => {
  paint();
  remembered((storage) => storage.setItem("k1-theme", theme.value));
});
theme.value = remembered((storage) => storage.getItem("k1-theme")) ?? "";
paint();

function remembered(use) {
  try {
    return use(localStorage);
  } catch {
    return null; // a browser may be told to remember nothing
  }
}

feed.connect();
