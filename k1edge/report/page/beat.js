// The lamp: shows each beat when its light is due, by the daemon's clock. Each flash that was seen leaves a performance mark `k1-flash`.

const AHEAD_MS = 60; // from here on every frame is looked at
const TOO_LATE_MS = 30; // better no flash than one that says something else about the light
const FADE_MS = 280;

export class Lamp {
  #feed;
  #lamp;
  #dots;
  #bar = 2; // dots: a pendulum, until somebody knows the bar
  #calm = matchMedia("(prefers-reduced-motion: reduce)");
  #waiting = []; // beats to come, in order of time
  #frame = 0;
  #frameMs = 1000 / 60;
  #lastMs = 0;

  constructor(feed, lamp, dots) {
    this.#feed = feed;
    this.#lamp = lamp;
    this.#dots = dots;
    this.#draw(0);
    feed.addEventListener("beat", ({ detail }) => this.#expect(detail));
  }

  #expect(beat) {
    this.#waiting.push(beat);
    const wait = this.#feed.clock.here(beat.due_monotonic_ns) - performance.now() - AHEAD_MS;
    setTimeout(() => this.#frame || (this.#frame = requestAnimationFrame((now) => this.#look(now))), wait);
  }

  /** One frame. What is drawn now is seen when the frame ends, so a beat is lit in the frame that ends nearest to it. */
  #look(now) {
    const took = now - this.#lastMs;
    this.#lastMs = now;
    if (took > 4 && took < 50) this.#frameMs += (took - this.#frameMs) / 8;
    while (this.#waiting.length) {
      const due = this.#feed.clock.here(this.#waiting[0].due_monotonic_ns);
      if (due - now > 1.5 * this.#frameMs) break;
      const beat = this.#waiting.shift();
      if (now - due < TOO_LATE_MS) this.#light(beat, due);
    }
    const next = this.#waiting[0] && this.#feed.clock.here(this.#waiting[0].due_monotonic_ns) - now;
    this.#frame = next < AHEAD_MS + this.#frameMs ? requestAnimationFrame((then) => this.#look(then)) : 0;
  }

  #light(beat, due) {
    const place = beat.beat_in_bar === null ? beat.beat_index % 2 : beat.beat_in_bar - 1;
    this.#bar = beat.beat_in_bar === null ? 2 : Math.max(this.#bar, 4, beat.beat_in_bar);
    this.#draw(place);
    if (!this.#calm.matches) {
      const from = 0.55 + 0.45 * beat.strength;
      this.#lamp.animate([{ opacity: from }, { opacity: from, offset: 0.15 }, { opacity: 0 }], { duration: FADE_MS, easing: "ease-out" });
    }
    requestAnimationFrame((seen) => {
      performance.clearMarks("k1-flash"); // a page is open for months
      performance.mark("k1-flash", { startTime: seen, detail: { beat_index: beat.beat_index, due_ms: due, seen_ms: seen } });
    });
  }

  #draw(place) {
    while (this.#dots.children.length < this.#bar) this.#dots.append(document.createElement("i"));
    while (this.#dots.children.length > this.#bar) this.#dots.lastChild.remove();
    [...this.#dots.children].forEach((dot, at) => dot.classList.toggle("on", at === place));
  }
}
