// Names that clients asked for and did not get, those that were asked for most often first.

import { List, cell, element, put, reveal } from "./elements.js";
import { clock, counted, whole } from "./text.js";

const PAGE = 10;

const list = new List(document.getElementById("missing-rows"), makeRow);
const more = document.getElementById("missing-more");

let misses = [];
let shown = PAGE;

more.addEventListener("click", () => {
  shown += PAGE;
  show();
});

/** Show those of /api/misses. */
export function showMisses(answer) {
  misses = answer.misses;
  show();
}

function show() {
  list.show(misses.slice(0, shown), ({ direction, name, reason }) => JSON.stringify([direction, name, reason]));
  reveal(more, misses.length > shown);
  put(more, `Show more (${whole(misses.length - shown)})`);
  reveal(document.getElementById("missing-none"), misses.length === 0);
  reveal(document.getElementById("missing-rows").parentNode, misses.length > 0);
}

function makeRow(miss) {
  const count = cell("Times", "number count");
  const clients = element("span");
  const meant = element("p", { class: "meant" });
  const time = element("time");
  const who = element("span", { class: "note" });
  const link = element("a", { href: `?${new URLSearchParams({ name: miss.name })}`, class: "name" }, miss.name);
  const node = element(
    "tr",
    { role: "row" },
    count,
    cell(
      "Name",
      "what",
      ...(miss.direction === "write" ? [element("span", { class: "way write" }, "write"), " "] : []),
      link,
      element("span", { class: "note" }, `${miss.reason}, `, clients),
      meant,
    ),
    cell("Last", "number when", time, who),
  );

  function update(now) {
    put(count, whole(now.count));
    put(clients, counted(now.clients, "client"));
    put(time, clock(new Date(now.last)));
    time.setAttribute("datetime", now.last);
    put(who, now.last_client);
    if (meant.dataset.names !== now.suggestions.join("\n")) {
      meant.dataset.names = now.suggestions.join("\n");
      const names = now.suggestions.flatMap((name) => [" ", element("span", { class: "name" }, name)]);
      meant.replaceChildren(...(names.length > 0 ? ["Did you mean", ...names, "?"] : []));
    }
    reveal(meant, now.suggestions.length > 0);
  }

  return { node, update };
}
