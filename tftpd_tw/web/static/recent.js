// The transfers that have ended: the last thousand are kept, those that the filters let through are shown.

import { List, cell, element, put, reveal } from "./elements.js";
import { filters } from "./filters.js";
import { meaningOf, prose, verdict } from "./reasons.js";
import { bytes, clock, counted, duration, endpoint, milliseconds, rate, whole } from "./text.js";
import { client, file, terms } from "./transfers.js";

const MOST = 1000;
const PAGE = 25;

const opened = new Set(); // those of which all is shown

let records = new Map();
let shown = PAGE;

const list = new List(document.getElementById("recent-table"), makeRow);
const more = document.getElementById("recent-more");

more.addEventListener("click", () => {
  shown += PAGE;
  showRecent();
});

/** Those that are kept, the newest first. */
export function kept() {
  return [...records.values()];
}

/** Keep some more; some of them may be here already. */
export function keep(ended) {
  const all = [...ended.filter((record) => !records.has(record.number)), ...records.values()];
  all.sort((one, other) => (one.time === other.time ? other.number - one.number : one.time < other.time ? 1 : -1));
  records = new Map(all.slice(0, MOST).map((record) => [record.number, record]));
}

/** Another daemon serves, or the same one anew: it has its own. */
export function forget() {
  records = new Map();
  shown = PAGE;
  opened.clear();
}

/** The filters are others: show those that they let through, from the start. */
export function refilter() {
  shown = PAGE;
  showRecent();
}

/** Show those that the filters let through. */
export function showRecent() {
  const { show, any } = filters();
  const chosen = kept().filter(show);
  // Who reads all of one must not lose it to those that come.
  list.show(
    chosen.filter((record, index) => index < shown || opened.has(record.number)),
    (record) => record.number,
  );
  reveal(more, chosen.length > shown);
  put(more, `Show more (${whole(chosen.length - shown)})`);
  const all = records.size;
  put(
    document.getElementById("recent-of"),
    any ? `${whole(chosen.length)} of the last ${whole(all)}` : `the last ${whole(all)}`,
  );
  reveal(document.getElementById("recent-of"), all > 0);
  reveal(document.getElementById("recent-none"), chosen.length === 0);
  put(
    document.getElementById("recent-none"),
    all > 0 ? "None of the recent transfers is like that." : "No transfer has ended yet.",
  );
  reveal(document.getElementById("recent-table"), chosen.length > 0);
}

function makeRow(record) {
  const time = new Date(record.time);
  const id = `record-${record.number}`;
  const why = element("button", { type: "button", class: "why", "aria-expanded": "false" }, verdict(record));
  const details = element("tr", { role: "row", class: "details", id });
  const node = element(
    "tbody",
    { role: "rowgroup", class: record.outcome },
    element(
      "tr",
      { role: "row" },
      cell("Time", "when", element("time", { datetime: record.time }, clock(time))),
      cell("Client", "who", client(record), note(record.mac)),
      cell("File", "what", ...file(record)),
      cell("Outcome", "outcome", why, note(record.detail), note(more_of(record))),
      cell("Bytes", "number", bytes(record.bytes)),
      cell("Rate", "number", record.bytes > 0 && record.rate !== null ? rate(record.rate) : "–"),
      cell("Took", "number", duration(record.seconds)),
      cell("Sent again", record.retransmits > 0 ? "number some" : "number", whole(record.retransmits)),
    ),
    details,
  );
  details.hidden = true;
  why.addEventListener("click", () => {
    if (!details.hasChildNodes()) {
      details.append(cell("", "", ...explanation(record)));
      details.firstChild.setAttribute("colspan", "8");
      why.setAttribute("aria-controls", id);
    }
    details.hidden = !details.hidden;
    opened[details.hidden ? "delete" : "add"](record.number);
    why.setAttribute("aria-expanded", String(!details.hidden));
  });
  return { node, update() {} };
}

function note(text) {
  return text ? element("span", { class: "note" }, text) : null;
}

function more_of({ more: count }) {
  return count > 0 ? `and ${counted(count, "more request")} like it, not told one by one` : "";
}

function explanation(record) {
  const meaning = meaningOf(record);
  const facts = [
    ["Asked", options(record.asked)],
    ["Agreed", record.agreed && options(record.agreed)],
    ["Block × window", record.agreed && terms(record)],
    ["Size", record.size === null ? null : `${bytes(record.size)} (${whole(record.size)} bytes)`],
    ["Mode", record.mode],
    ["File served", record.served],
    ["First answer", record.response_seconds === null ? null : `after ${duration(record.response_seconds)}`],
    ["Round trip", record.round_trip_ms === null ? null : milliseconds(record.round_trip_ms)],
    ["Client", `${endpoint(record.client, record.port)}${record.mac ? `, ${record.mac}` : ""}`],
    ["Asked address", `${record.local}${record.interface ? ` on ${record.interface}` : ""}`],
    ["Profile", record.profile],
    ["Worker", record.worker],
  ];
  return [
    ...(meaning ? [prose("meaning", meaning.meaning), prose("advice", meaning.advice)] : []),
    element(
      "dl",
      {},
      ...facts
        .filter(([, value]) => value !== null)
        .map(([title, value]) => element("div", {}, element("dt", {}, title), element("dd", {}, String(value)))),
    ),
  ];
}

function options(values) {
  const pairs = Object.entries(values).map(([name, value]) => `${name}=${value}`);
  return pairs.length > 0 ? pairs.join(" ") : "no options";
}
