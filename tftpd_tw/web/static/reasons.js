// What reasons mean, in the words of the daemon.

import { element } from "./elements.js";

let words = new Map();

/** Have the table of /api/reasons. */
export function learn(table) {
  words = new Map(table.map((row) => [key(row.reason, row.direction), row]));
}

/** What is known of the reason, or else of the part of it before the colon; undefined if nothing is. */
export function meaningOf({ reason, direction }) {
  return find(reason, direction) ?? find(reason.split(":", 1)[0], direction);
}

function find(reason, direction) {
  return words.get(key(reason, direction)) ?? words.get(key(reason, ""));
}

function key(reason, direction) {
  return `${direction} ${reason}`;
}

/** What became of a request, and why if that says more: `failed: client-vanished`. */
export function verdict({ outcome, reason }) {
  return reason === outcome ? outcome : `${outcome}: ${reason}`;
}

/** Sentences, of which what is between backquotes is a command. */
export function prose(kind, text) {
  const parts = text.split("`").map((part, index) => (index % 2 ? element("code", {}, part) : part));
  return element("p", { class: kind }, ...parts);
}
