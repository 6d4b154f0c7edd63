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
      link,
      element(
        "span",
        { class: "note" },
        element("span", { class: `way ${miss.direction}` }, miss.direction),
        `: ${miss.reason}, `,
        clients,
      ),
      meant,
    ),
    cell("Last", "number when", time, who),
  );

  let said = null;

  function update(now) {
    put(count, whole(now.count));
    put(clients, counted(now.clients, "client"));
    put(time, clock(new Date(now.last)));
    time.setAttribute("datetime", now.last);
    put(who, now.last_client);
    const names = now.reason === "not-found" ? now.suggestions : [];
    if (said !== names.join("\n")) {
      said = names.join("\n");
      const parts = names.flatMap((name) => [", ", element("span", { class: "name" }, name)]);
      meant.replaceChildren("Did you mean: ", ...parts.slice(1));
    }
    reveal(meant, names.length > 0);
  }

  return { node, update };
}
