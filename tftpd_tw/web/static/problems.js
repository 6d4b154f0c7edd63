// What went wrong in the transfers that are kept: each reason once, with what it means and what to do. Failures come
// first: most names that are missing are tried by boot loaders that expect that.

import { List, element, put, reveal } from "./elements.js";
import { filters, isProblem } from "./filters.js";
import { meaningOf, prose, verdict } from "./reasons.js";
import { kept } from "./recent.js";
import { clock, counted, whole } from "./text.js";

const MOST = 8;

const list = new List(document.getElementById("problems-list"), makeRow);

/** Count anew. */
export function showProblems() {
  const found = new Map();
  const { concern, narrow } = filters();
  const records = kept().filter(concern);
  for (const record of records) {
    if (isProblem(record)) {
      const problem = found.get(subject(record)) ?? { last: record, count: 0, clients: new Set() };
      problem.count += 1 + record.more;
      problem.clients.add(record.client);
      found.set(subject(record), problem);
    }
  }
  const failed = ({ last }) => Number(last.outcome === "failed");
  const ranked = [...found.values()].sort(
    (one, other) => failed(other) - failed(one) || other.count - one.count,
  );
  list.show(ranked.slice(0, MOST), (problem) => subject(problem.last));
  reveal(document.getElementById("problems-none"), ranked.length === 0);
  put(
    document.getElementById("problems-of"),
    `in the last ${counted(records.length, "transfer")}${narrow ? " of that client and name" : ""}`,
  );
  reveal(document.getElementById("problems-of"), records.length > 0);
}

/** The verdict; of uploads apart, where it means something else of them. */
function subject(record) {
  return meaningOf(record)?.direction === "write" ? `${verdict(record)} (upload)` : verdict(record);
}

function makeRow(problem) {
  const count = element("span", { class: "count" });
  const last = element("span", { class: "note" });
  const text = element("div");
  const reason = element("a", { href: `?${new URLSearchParams({ outcome: problem.last.outcome })}` });
  reason.append(subject(problem.last));
  const node = element(
    "li",
    { class: problem.last.outcome },
    count,
    element("div", {}, element("h3", {}, reason), last, text),
  );
  let said;

  function update(now) {
    put(count, `${whole(now.count)}×`);
    put(
      last,
      `${counted(now.clients.size, "client")}, last ${now.last.client} at ${clock(new Date(now.last.time))}`,
    );
    const meaning = meaningOf(now.last);
    if (meaning && meaning !== said) {
      text.replaceChildren(prose("meaning", meaning.meaning), prose("advice", meaning.advice));
      said = meaning;
    }
  }

  return { node, update };
}
