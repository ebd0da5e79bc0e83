// The little that touches the document: text only, and only where it changed, so that screen readers and the layout stay quiet.

export const $ = (id) => document.getElementById(id);

export function say(target, text) {
  const element = typeof target === "string" ? $(target) : target;
  if (element.textContent !== text) element.textContent = text;
}

export function make(name, text = "", attributes = {}) {
  const element = document.createElement(name);
  element.textContent = text;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

/** Pairs of a name and its value into a <dl>, in place. */
export function list(id, pairs) {
  const dl = $(id);
  const names = pairs.map(([name]) => name).join();
  if (dl.dataset.names !== names) {
    dl.dataset.names = names;
    dl.replaceChildren(...pairs.map(([name]) => {
      const row = make("div");
      row.append(make("dt", name), make("dd"));
      return row;
    }));
  }
  pairs.forEach(([, value], at) => say(dl.children[at].lastChild, value));
}

/** Rows of texts (or elements) into a <tbody>; the first cell of each is its header. */
export function table(id, rows) {
  $(id).replaceChildren(
    ...rows.map((cells) => {
      const tr = make("tr");
      cells.forEach((cell, at) => {
        const td = at ? make("td") : make("th", "", { scope: "row" });
        td.append(cell);
        tr.append(td);
      });
      return tr;
    }),
  );
}
