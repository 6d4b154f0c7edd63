// Elements, and lists of them that follow a list of values. What came from the network only ever becomes text.

/** An element; children are nodes or text, and those that are null are left out. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** Have `node` show `text`; nothing is touched if it does already. */
export function put(node, text) {
  if (node.shown !== text) {
    node.textContent = node.shown = text;
  }
}

/** Show `node`, or don't. */
export function reveal(node, shown) {
  node.hidden = !shown;
}

/** A cell of a table row; on a phone, where rows are cards, `label` stands before what it has. */
export function cell(label, kind = "", ...children) {
  return element("td", { role: "cell", "data-label": label, class: kind }, ...children);
}

/**
 * The last children of `parent`, one for each of some items. `make(item)` makes a row: an object with its `node`, and
 * `update(item)`. A row stays for as long as there is an item with its key, so that whoever is on it is not disturbed.
 */
export class List {
  constructor(parent, make) {
    this.parent = parent;
    this.make = make;
    this.rows = new Map();
  }

  show(items, key) {
    const rows = new Map();
    for (const item of items) {
      const row = this.rows.get(key(item)) ?? this.make(item);
      row.update(item);
      rows.set(key(item), row);
    }
    for (const [name, row] of this.rows) {
      if (!rows.has(name)) {
        row.node.remove();
      }
    }
    let after = null;
    for (const { node } of [...rows.values()].reverse()) {
      if (node.nextSibling !== after || node.parentNode !== this.parent) {
        this.parent.insertBefore(node, after);
      }
      after = node;
    }
    this.rows = rows;
  }
}
