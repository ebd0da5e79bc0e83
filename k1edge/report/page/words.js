// Numbers and states in words. A minus is a minus sign; no data is a dash, never 0.

export const NONE = "–";

export const LOCK = {
  unlocked: "Listening for a beat",
  locking: "Finding the beat",
  locked: "Locked to the beat",
  holding: "Holding through a break",
};

export const SEVERITY = { ok: "In time", amber: "Slightly off", alert: "Visibly off", red: "Far off" };

export const CULPRIT = {
  node_clock: "the node’s clock",
  audio_clock: "the sound card’s clock",
  host_clock: "this host’s clock",
  tracker: "the beat tracker",
  node: "the node, or the wire to it",
  offset: "the offset that was set",
};

export const ALERT = { drift: "Drift", no_reference: "Nothing to compare with", node_lost: "Node lost", audio_lost: "Sound lost" };

export const AUDIO = { opening: "Opening", live: "Live", stalled: "Stalled", lost: "Lost", ended: "Ended" };

export const DAEMON = { starting: "Starting", running: "Running", degraded: "Degraded", stopping: "Stopping" };

export const LINK = {
  closed: "No port",
  identifying: "Asking who it is",
  handshake: "Shaking hands",
  syncing: "Learning its clock",
  ready: "Ready",
  degraded: "Degraded",
  incompatible: "Incompatible",
  unrecognised: "Not recognised",
};

/** 12.3, with a sign when asked for. */
export function number(value, digits = 1, signed = false) {
  if (value === null || value === undefined) return NONE;
  const size = Math.abs(value).toFixed(digits);
  if (Number(size) === 0) return size;
  return (value < 0 ? "−" : signed ? "+" : "") + size;
}

/** With its unit, the dash without. */
export function quantity(value, unit, digits = 1, signed = false) {
  return value === null || value === undefined ? NONE : `${number(value, digits, signed)}\u00a0${unit}`;
}

/** "4.5 ms late". */
export function lateness(ms, digits = 1) {
  if (ms === null || ms === undefined) return NONE;
  const size = Math.abs(ms).toFixed(digits);
  return Number(size) === 0 ? `${size} ms` : `${size} ms ${ms < 0 ? "early" : "late"}`;
}

/** "340 µs" or "1.25 ms". */
export function micros(us) {
  if (us === null || us === undefined) return NONE;
  return Math.abs(us) < 1000 ? quantity(us, "µs", 0) : quantity(us / 1000, "ms", 2);
}

/** "3 d 4 h", "5 min", "12 s". */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return NONE;
  const s = Math.floor(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3600)} h`;
}

/** Time of day on this device. */
export function clock(wallMs, seconds = true) {
  return new Date(wallMs).toLocaleTimeString("en-GB", seconds ? {} : { hour: "2-digit", minute: "2-digit" });
}
