// The connection to the daemon: /telemetry as JSON, taken up again with growing pauses, and what state it is in.

import { DaemonClock } from "./clock.js";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;
const STALE_MS = 2000; // twenty messages missing

export class Feed extends EventTarget {
  clock = new DaemonClock();
  state = "connecting"; // connecting, live, stale (open, but silent), lost
  heardAt = null; // this page's time of the newest message
  retryAt = null; // while lost
  #pause = FIRST_PAUSE_MS;
  #retry = 0;
  #socket = null;

  constructor() {
    super();
    setInterval(() => this.#watch(), 250);
    for (const sign of ["online", "pageshow"]) addEventListener(sign, () => this.#hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this.#hurry());
  }

  connect() {
    const url = new URL("/telemetry?format=json", location.origin);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = (this.#socket = new WebSocket(url));
    socket.onmessage = ({ data }) => this.#take(JSON.parse(data), performance.now());
    socket.onclose = () => socket === this.#socket && this.#lose();
  }

  #take(message, now) {
    if (message.type === "hello") {
      this.clock.reset(); // another host, or its next life
      this.#pause = FIRST_PAUSE_MS;
    }
    this.clock.heard(message.monotonic_ns, now);
    this.heardAt = now;
    this.#become("live");
    this.dispatchEvent(new CustomEvent(message.type, { detail: message }));
  }

  #lose() {
    const pause = this.#pause * (0.8 + 0.4 * Math.random()); // not all pages of a room at once
    this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE_MS);
    this.retryAt = performance.now() + pause;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.connect(), pause);
    this.#become("lost");
  }

  #hurry() {
    if (this.state !== "lost") return;
    clearTimeout(this.#retry);
    this.connect();
  }

  #watch() {
    if (this.state === "live" && performance.now() - this.heardAt > STALE_MS) this.#become("stale");
  }

  #become(state) {
    if (this.state === state) return;
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }
}
