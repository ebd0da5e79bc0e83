// What a telemetry message, and the /status beside it, say in words and figures.

import { $, list, make, say, table } from "./dom.js";
import { ALERT, AUDIO, clock, CULPRIT, DAEMON, duration, lateness, LINK, LOCK, micros, NONE, number, quantity, SEVERITY } from "./words.js";

/** The two large figures. */
export function now(told) {
  say("bpm", number(told.bpm));
  say("lock", LOCK[told.lock]);
  const beat = told.beat_in_bar === null ? "" : `beat ${told.beat_in_bar} of the bar, `;
  say("beat-aside", told.bpm === null ? "no light without a beat" : `${beat}${Math.round(100 * told.confidence)} % sure`);
  const drift = told.drift;
  $("verdict").dataset.severity = drift.severity ?? "none";
  say("drift", drift.drift_ms === null ? NONE : Math.abs(drift.drift_ms).toFixed(1));
  say("drift-unit", drift.drift_ms === null ? "ms" : lateness(drift.drift_ms).replace(/^[\d.]+ /, ""));
  say("severity", drift.severity ? SEVERITY[drift.severity] : "Nothing to compare");
  const against = drift.drift_ref === "map" ? "against the map of the song" : "against the sound heard";
  say("drift-aside", drift.attribution ? `put down to ${CULPRIT[drift.attribution]}` : (drift.reason ?? against));
  $("reasons").hidden = told.reasons.length === 0;
  const reasons = told.reasons.join("\n");
  if ($("reasons").dataset.said !== reasons) {
    $("reasons").dataset.said = reasons;
    $("reasons").replaceChildren(...told.reasons.map((reason) => make("li", reason)));
  }
  const { last_10s: last, since_start: all } = drift.figures.drift_ms;
  list("spread", [
    ["Median, last 10 s", lateness(last.median)],
    ["p95, last 10 s", quantity(last.p95, "ms")],
    ["Worst, last 10 s", lateness(last.worst)],
    ["Median since the start", lateness(all.median)],
    ["p95 since the start", quantity(all.p95, "ms")],
    ["Flashes compared", String(all.count)],
  ]);
}

/** Node, sound, host. */
export function health(told, status) {
  const link = told.link;
  state("link", link?.state === "ready" ? "ok" : "bad", link ? LINK[link.state] ?? link.state : "No node", link?.reason);
  list("link", link ? [
    ["Speaks", link.dialect === null ? NONE : `${link.dialect}, ${link.timing}`],
    ["Clock known within", micros(link.offset_bound_us)],
    ["Its clock runs", rate(link.node_drift_ppm)],
    ["Flash against order", micros(told.drift.fire_error_us)],
    ["Flashes fired", String(link.fired)],
    ["Late, missed", `${link.late}, ${link.missed}`],
    ["Resets, reopened", `${link.resets}, ${link.reopened}`],
  ] : []);
  const audio = told.audio;
  state("audio", audio.state === "live" ? "ok" : "bad", AUDIO[audio.state], audio.reason);
  const level = audio.level_dbfs === null ? -60 : Math.max(-60, Math.min(0, audio.level_dbfs));
  $("level").firstElementChild.style.scale = `${1 + level / 60} 1`;
  $("level").setAttribute("aria-valuenow", Math.round(level));
  $("level").setAttribute("aria-valuetext", audio.level_dbfs === null ? "silence" : `${Math.round(level)} decibels below full scale`);
  list("audio", [
    ["Level", quantity(audio.level_dbfs, "dBFS", 0)],
    ["Device", status?.audio.device ?? NONE],
    ["Its clock runs", rate(audio.audio_drift_ppm)],
    ["Frames lost, xruns", `${audio.overrun_frames}, ${audio.xruns}`],
  ]);
  state("host", told.state === "running" ? "ok" : "bad", DAEMON[told.state], null);
  list("host", [
    ["Up for", duration(told.uptime_s)],
    ["CPU, of one core", told.cpu_share === null ? NONE : `${Math.round(100 * told.cpu_share)} %`],
    ["Memory", quantity(told.rss_mb, "MB", 0)],
    ["Temperature", quantity(told.temperature_c, "°C", 0)],
    ["Event loop late by", quantity(told.loop_lag_ms, "ms")],
    ["Subscribers", status?.network ? String(status.network.subscribers) : NONE],
  ]);
}

/** Delays by name, from /status. */
export function latency({ latency: parts }) {
  say("latency-total", quantity(parts.total_ms, "ms"));
  const between = [parts.capture_ms, parts.window_ms, parts.transport_ms, parts.led_tx_ms];
  between.forEach((ms, at) => ($("delays").children[at].style.flexGrow = ms ?? 0));
  list("latency", [
    ["Capture", quantity(parts.capture_ms, "ms")],
    ["Analysis window", quantity(parts.window_ms, "ms")],
    ["Wire to the node", quantity(parts.transport_ms, "ms")],
    ["LEDs", quantity(parts.led_tx_ms, "ms")],
    ["Offset", quantity(parts.offset_ms, "ms", 1, true)],
    ["Beats known ahead", quantity(parts.lead_ms, "ms", 0)],
  ]);
}

/** Open ones first, then the newest that ended. */
export function alerts({ alerts: told, monotonic_ns: monotonicNs, wall_time: wallTime }) {
  const wall = (ns) => clock(Date.parse(wallTime) + (ns - monotonicNs) / 1e6);
  const rows = [...told.open].reverse().concat([...told.closed].reverse()).map((alert) => {
    const row = make("li", "", { "data-severity": alert.severity });
    const when = alert.end_ns === null ? `since ${wall(alert.begin_ns)}` : `${wall(alert.begin_ns)} to ${wall(alert.end_ns)}`;
    const worst = alert.worst_ms === null ? "" : `, ${lateness(alert.worst_ms)} at worst`;
    row.append(make("strong", `${ALERT[alert.kind] ?? alert.kind}: ${SEVERITY[alert.severity].toLowerCase()}${worst}`));
    row.append(make("span", alert.reason), make("time", when));
    row.classList.toggle("open", alert.end_ns === null);
    return row;
  });
  $("alerts").replaceChildren(...(rows.length ? rows : [make("li", "None since the daemon started.", { class: "none" })]));
}

/** Others on the LAN, as this daemon was told by them. */
export function peers(rows) {
  $("peers").hidden = rows.length === 0;
  table("peer-rows", rows.map(({ name, page, told, why }) => {
    const drift = make("span", told ? lateness(told.drift.drift_ms) : NONE, { "data-severity": told?.drift.severity ?? "none" });
    const beat = told ? quantity(told.beat.bpm, "bpm") : NONE;
    return [make("a", name, { href: page }), beat, drift, told ? LOCK[told.beat.lock] : why];
  }));
}

function state(id, kind, words, why) {
  $(`${id}-state`).dataset.kind = kind;
  say(`${id}-state`, words);
  say(`${id}-why`, why ?? "");
}

function rate(ppm) {
  if (ppm === null) return NONE;
  const size = Math.abs(ppm).toFixed(1);
  return Number(size) === 0 ? `${size} ppm` : `${size} ppm ${ppm < 0 ? "slow" : "fast"}`;
}
