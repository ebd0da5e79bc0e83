// The daemon's monotonic clock in this page's time (performance.now()). Messages can be late but never early, so the quickest of the last minute
// knows best. Buckets, because both clocks drift: what was quickest an hour ago says nothing now.

const BUCKET_MS = 2000;
const BUCKETS = 30;
const STEP_MS = 250; // two buckets this far above the best are a clock that stepped (a suspend), not a slow network

export class DaemonClock {
  #least = []; // [bucket number, least own-minus-daemon in ms], oldest first

  reset() {
    this.#least = [];
  }

  /** Takes one message: the daemon's `monotonic_ns` in it, and when it came here in ms. */
  heard(monotonicNs, hereMs) {
    const bucket = Math.floor(hereMs / BUCKET_MS);
    const offset = hereMs - monotonicNs / 1e6;
    const newest = this.#least.at(-1);
    if (newest && newest[0] === bucket) newest[1] = Math.min(newest[1], offset);
    else this.#least.push([bucket, offset]);
    while (this.#least[0][0] <= bucket - BUCKETS) this.#least.shift();
    const fresh = this.#least.slice(-3, -1);
    if (fresh.length === 2 && fresh.every(([, least]) => least > this.offset + STEP_MS)) this.#least = this.#least.slice(-3);
  }

  /** This page's time minus the daemon's, in ms. */
  get offset() {
    return Math.min(...this.#least.map(([, least]) => least));
  }

  /** A moment of the daemon's clock (ns) in this page's time (ms). */
  here(monotonicNs) {
    return monotonicNs / 1e6 + this.offset;
  }
}
