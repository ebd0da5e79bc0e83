// The plot of drift: a dot for each flash, a line for the running median, and where people begin to see it.

import { GAP_MS, SPAN_MS } from "./history.js";
import { clock, lateness, SEVERITY } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const RUNGS = [
  [20, "amber"],
  [50, "alert"],
  [100, "red"],
];
const REACHES_MS = [30, 65, 130, 180, 260, 380, 520]; // how far the plot goes to either side; a rung is never at the very edge
const LINE_PX = 14;
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

  /** How far the plot goes, early (negative) and late: each side as far as it is needed. */
  #scale(rows) {
    const sorted = rows.map((row) => row.ms).sort((a, b) => a - b);
    const at = (share) => sorted[Math.round(share * (sorted.length - 1))] ?? 0; // a stray flash is drawn at the edge
    const reach = (ms) => REACHES_MS.find((each) => each >= ms * 1.1) ?? REACHES_MS.at(-1);
    return [-reach(-at(0.02)), reach(at(0.98))];
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

  /** Lines at which people begin to see it, from the middle outwards; words only where they have room. */
  #rungs(scale) {
    const right = this.#size[0] - ROOM.right;
    const zero = this.#y(0, scale);
    const parts = [line(ROOM.left, right, zero, "zero"), label(ROOM.left - 8, zero, "0 ms", "end")];
    for (const side of [1, -1]) {
      const edge = side > 0 ? scale[1] : -scale[0];
      let last = zero;
      RUNGS.filter(([ms]) => ms <= edge).forEach(([ms, name], rank) => {
        const y = this.#y(side * ms, scale);
        const beyond = this.#y(side * Math.min(edge, RUNGS[rank + 1]?.[0] ?? edge), scale);
        parts.push(line(ROOM.left, right, y, name));
        if (Math.abs(y - last) >= LINE_PX) parts.push(label(ROOM.left - 8, y, `${ms} ${side > 0 ? "late" : "early"}`, "end"));
        if (Math.abs(beyond - y) >= 1.5 * LINE_PX) parts.push(label(ROOM.left + 2, y - side * 10, SEVERITY[name].toLowerCase(), "start", name));
        last = y;
      });
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

  #y(ms, [early, late]) {
    const room = this.#size[1] - ROOM.top - ROOM.bottom;
    return round(ROOM.top + (room * (late - ms)) / (late - early));
  }
}

const clamp = (ms, [early, late]) => Math.max(early, Math.min(late, ms));
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
