// Drift, beat by beat, over the last minutes. Times in ms of the daemon's monotonic clock.

export const SPAN_MS = 5 * 60_000;
export const GAP_MS = 4000; // slower than 15 bpm is no music, but a pause
const WINDOW_MS = 10_000; // of the running median, as the daemon's

export class History {
  rows = []; // { at, ms, median }, oldest first
  now = 0; // the newest moment that is known
  #count = null; // comparisons the daemon had made

  /** Takes what the daemon kept, `[[ms, drift], ...]`, in place of what is here. */
  replace(kept) {
    this.rows = [];
    this.#count = null;
    for (const [at, ms] of kept) if (ms !== null) this.#add(at, ms);
  }

  /** Takes one telemetry message. */
  heard(message) {
    const at = message.monotonic_ns / 1e6;
    const { newest, since_start: all } = message.drift.figures.drift_ms;
    if (this.#count !== null && all.count > this.#count && newest !== null) this.#add(at, newest);
    this.#count = all.count;
    this.now = at;
    while (this.rows.length && this.rows[0].at < at - SPAN_MS - WINDOW_MS) this.rows.shift();
  }

  #add(at, ms) {
    this.rows.push({ at, ms, median: 0 });
    this.rows.at(-1).median = quantile(this.#since(at - WINDOW_MS), 0.5);
  }

  #since(from) {
    let first = this.rows.length;
    while (first > 0 && this.rows[first - 1].at > from) first--;
    return this.rows.slice(first).map((row) => row.ms);
  }

  /** The beat nearest to `at`; null where there is none within a pause. */
  nearest(at) {
    let best = null;
    for (const row of this.rows) if (!best || Math.abs(row.at - at) < Math.abs(best.at - at)) best = row;
    return best && Math.abs(best.at - at) <= GAP_MS / 2 ? best : null;
  }

  /** Everything in the plot: `{ count, median }`. */
  whole() {
    const all = this.rows.filter((row) => row.at > this.now - SPAN_MS).map((row) => row.ms);
    return { count: all.length, median: all.length ? quantile(all, 0.5) : null };
  }

  /** By minute, newest first: `{ from, count, median, p95, worst }`, times as above. */
  minutes() {
    const found = [];
    for (let to = this.now; to > this.now - SPAN_MS; to -= 60_000) {
      const all = this.rows.filter((row) => row.at > to - 60_000 && row.at <= to).map((row) => row.ms);
      const worst = all.reduce((far, ms) => (Math.abs(ms) > Math.abs(far) ? ms : far), 0);
      found.push({
        from: to - 60_000,
        to,
        count: all.length,
        median: all.length ? quantile(all, 0.5) : null,
        p95: all.length ? quantile(all.map(Math.abs), 0.95) : null,
        worst: all.length ? worst : null,
      });
    }
    return found;
  }
}

function quantile(values, share) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const low = sorted[Math.floor(at)];
  return low + (sorted[Math.ceil(at)] - low) * (at % 1);
}
