// The transfers in progress. A row stays its transfer's, so that its bar moves and nothing flickers.

import { List, cell, element, put, reveal } from "./elements.js";
import { bytes, counted, duration, milliseconds, rate, whole } from "./text.js";
import { client, file, terms } from "./transfers.js";

const PAGE = 20;

const by = (id) => document.getElementById(id);
const list = new List(by("active-rows"), makeRow);

let shown = PAGE;
let latest = null;

by("active-more").addEventListener("click", () => {
  shown = Infinity;
  showActive(latest);
});

/** Show what `frame` has of them: at first those that are longest in progress. */
export function showActive(frame) {
  const { active, active_count: count } = (latest = frame);
  // Numbers begin anew with a worker or a daemon that is started anew.
  list.show(active.slice(0, shown), ({ id, client: host, port, name }) => `${id} ${host} ${port} ${name}`);
  const hidden = Math.max(0, active.length - shown);
  put(by("active-more"), `Show ${whole(hidden)} more`);
  reveal(by("active-more"), hidden > 0);
  put(by("active-others"), `and ${counted(count - active.length, "more transfer")} that began later`);
  reveal(by("active-others"), count > active.length);
  reveal(by("active-none"), count === 0);
  reveal(by("active-rows").parentNode, count > 0);
}

/** Bytes per second since the frame before; of a transfer that was not in it, since it began. */
function rateNow(transfer, before) {
  const seconds = transfer.seconds - (before?.seconds ?? 0);
  return seconds > 0 ? Math.max(0, (transfer.bytes - (before?.bytes ?? 0)) / seconds) : 0;
}

function makeRow(transfer) {
  const bar = element("progress", { "aria-label": `${transfer.name} for ${transfer.client}` });
  const done = element("span", { class: "note" });
  const unverified = element("span", { class: "tag" }, "has not answered yet");
  const cells = {
    rate: cell("Rate", "number"),
    trip: cell("Round trip", "number"),
    again: cell("Sent again", "number"),
    terms: cell("Block × window", "number"),
    age: cell("Age", "number age"),
  };
  const node = element(
    "tr",
    { role: "row" },
    cell("Client", "who", client(transfer), unverified),
    cell("File", "what", ...file(transfer)),
    cell("Progress", "progress", bar, done),
    ...Object.values(cells),
  );
  let before = null;

  function update(now) {
    if (now !== before) {
      put(cells.rate, rate(rateNow(now, before)));
    }
    before = now;
    reveal(unverified, !now.verified);
    reveal(bar, now.size !== null);
    if (now.size !== null) {
      const share = now.size > 0 ? Math.min(1, now.bytes / now.size) : 1;
      bar.value = share;
      put(done, `${bytes(now.bytes)} of ${bytes(now.size)}, ${Math.floor(share * 100)} %`);
    } else {
      put(done, `${bytes(now.bytes)} of unknown size`);
    }
    put(cells.trip, now.round_trip_ms === null ? "–" : milliseconds(now.round_trip_ms));
    put(cells.again, whole(now.retransmits));
    cells.again.classList.toggle("some", now.retransmits > 0);
    put(cells.terms, terms(now));
    put(cells.age, duration(now.seconds));
  }

  return { node, update };
}
