// The plot of drift: a dot for each flash, a line for the running median, and where people begin to see it.

import { GAP_MS, SPAN_MS } from "./history.js";
import { clock, lateness, SEVERITY } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const RUNGS = [
  [20, "amber"],
  [50, "alert"],
  [100, "red"],
];
const SCALES_MS = [30, 65, 130, 260, 520]; // half heights; a rung is never at the very edge
const ROOM = { top: 10, bottom: 26, left: 66, right: 4 };

export class Plot {
  #history;
  #svg;
  #cursor;
  #readout;
  #size = [0, 0];
  #wallMs = 0; // wall clock minus the daemon's monotonic one
  #layers = {};

  /** `cursor` is an input of type range that lies over the plot; `readout` says in words what is under it. */
  constructor(history, svg, cursor, readout) {
    [this.#history, this.#svg, this.#cursor, this.#readout] = [history, svg, cursor, readout];
    for (const name of ["rungs", "ticks", "dots", "median", "mark"]) this.#layers[name] = svg.appendChild(element("g", { class: name }));
    new ResizeObserver(([entry]) => {
      this.#size = [Math.round(entry.contentRect.width), Math.round(entry.contentRect.height)];
      this.draw();
    }).observe(svg);
    cursor.min = -SPAN_MS / 1000;
    cursor.addEventListener("input", () => this.#read());
    cursor.addEventListener("pointermove", (event) => event.pointerType === "mouse" && this.#point(event));
    cursor.addEventListener("pointerleave", () => document.activeElement === cursor || this.#leave());
    cursor.addEventListener("blur", () => this.#leave());
  }

  /** A moment of the daemon's monotonic clock on the wall, by a pair of both. */
  pair(wallMs, monotonicMs) {
    this.#wallMs = wallMs - monotonicMs;
  }

  draw() {
    const [width, height] = this.#size;
    if (!width || !this.#history.now) return;
    this.#svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const rows = this.#history.rows.filter((row) => row.at >= this.#history.now - SPAN_MS);
    const scale = this.#scale(rows);
    this.#rungs(scale);
    this.#ticks();
    const path = rows.map((row) => `M${this.#x(row.at)} ${this.#y(clamp(row.ms, scale), scale)}h0`).join("");
    this.#layers.dots.replaceChildren(element("path", { d: path }));
    this.#layers.median.replaceChildren(element("path", { d: this.#line(rows, scale) }));
    if (!rows.length) this.#layers.dots.replaceChildren(label(width / 2, height / 2 - 20, "no flash was compared with the music", "middle"));
    if (this.#layers.mark.childNodes.length) this.#read();
  }

  #scale(rows) {
    const sizes = rows.map((row) => Math.abs(row.ms)).sort((a, b) => a - b);
    const most = sizes[Math.floor(0.97 * (sizes.length - 1))] ?? 0; // a stray flash is drawn at the edge
    return SCALES_MS.find((ms) => ms >= most * 1.1) ?? SCALES_MS.at(-1);
  }

  #line(rows, scale) {
    let last = -Infinity;
    return rows
      .map(({ at, median }) => {
        const step = `${at - last > GAP_MS ? "M" : "L"}${this.#x(at)} ${this.#y(clamp(median, scale), scale)}`;
        last = at;
        return step;
      })
      .join("");
  }

  #rungs(scale) {
    const [width] = this.#size;
    const parts = [line(ROOM.left, width - ROOM.right, this.#y(0, scale), "zero"), label(ROOM.left - 8, this.#y(0, scale), "0 ms", "end")];
    for (const [ms, name] of RUNGS.filter(([ms]) => ms <= scale)) {
      for (const at of [ms, -ms]) {
        const y = this.#y(at, scale);
        parts.push(line(ROOM.left, width - ROOM.right, y, name));
        parts.push(label(ROOM.left - 8, y, `${ms} ${at < 0 ? "early" : "late"}`, "end"));
        parts.push(label(ROOM.left + 2, y + 10 * Math.sign(-at), SEVERITY[name].toLowerCase(), "start", name)); // where the oldest are
      }
    }
    this.#layers.rungs.replaceChildren(...parts);
  }

  #ticks() {
    const [width, height] = this.#size;
    const y = height - ROOM.bottom + 15;
    const parts = [label(width - ROOM.right, y, "now", "end")];
    const first = Math.ceil((this.#history.now - SPAN_MS + this.#wallMs) / 60_000) * 60_000;
    for (let wall = first; wall - this.#wallMs < this.#history.now - 25_000; wall += 60_000) {
      const x = this.#x(wall - this.#wallMs);
      parts.push(element("line", { x1: x, x2: x, y1: height - ROOM.bottom, y2: height - ROOM.bottom + 4, class: "tick" }));
      if (x > ROOM.left + 12 && x < width - 60) parts.push(label(x, y, clock(wall, false), "middle"));
    }
    this.#layers.ticks.replaceChildren(...parts);
  }

  #point(event) {
    const box = this.#svg.getBoundingClientRect();
    const share = (event.clientX - box.left - ROOM.left) / (box.width - ROOM.left - ROOM.right);
    this.#cursor.value = Math.round((share - 1) * (SPAN_MS / 1000));
    this.#read();
  }

  #read() {
    const at = this.#history.now + Number(this.#cursor.value) * 1000;
    const row = this.#history.nearest(at);
    const words = `${clock(at + this.#wallMs)}: ${row ? `${lateness(row.ms)}, median ${lateness(row.median)}` : "no flash"}`;
    this.#readout.textContent = words;
    this.#cursor.setAttribute("aria-valuetext", words);
    const x = this.#x(row?.at ?? at);
    const scale = this.#scale(this.#history.rows.filter((each) => each.at >= this.#history.now - SPAN_MS));
    const parts = [element("line", { x1: x, x2: x, y1: ROOM.top, y2: this.#size[1] - ROOM.bottom })];
    if (row) parts.push(element("circle", { cx: x, cy: this.#y(clamp(row.ms, scale), scale), r: 4 }));
    this.#layers.mark.replaceChildren(...parts);
  }

  #leave() {
    this.#layers.mark.replaceChildren();
    this.#readout.textContent = "";
  }

  #x(at) {
    const room = this.#size[0] - ROOM.left - ROOM.right;
    return round(ROOM.left + room * (1 - (this.#history.now - at) / SPAN_MS));
  }

  #y(ms, scale) {
    const half = (this.#size[1] - ROOM.top - ROOM.bottom) / 2;
    return round(ROOM.top + half * (1 - ms / scale));
  }
}

const clamp = (ms, scale) => Math.max(-scale, Math.min(scale, ms));
const round = (value) => Math.round(value * 10) / 10;
const line = (x1, x2, y, kind) => element("line", { x1, x2, y1: y, y2: y, class: kind });

function label(x, y, text, anchor, kind = "") {
  const made = element("text", { x, y, "text-anchor": anchor, "dominant-baseline": "middle", class: kind });
  made.textContent = text;
  return made;
}

function element(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}
