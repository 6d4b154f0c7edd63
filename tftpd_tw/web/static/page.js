// The page of a daemon: live by a stream of frames, one a second, and by what is fetched every few seconds.
//
// Nothing is kept of a frame but the records of what has ended. Nothing happens in a tab that nobody looks at: its
// stream is closed, and opened again when it is looked at.

import { showActive } from "./active.js";
import { showHistory } from "./charts.js";
import { showLink, showState, showStatus } from "./daemon.js";
import { watchFilters } from "./filters.js";
import { showMisses } from "./misses.js";
import { showProblems } from "./problems.js";
import { learn } from "./reasons.js";
import { forget, keep, refilter, showRecent } from "./recent.js";

// Milliseconds
const FETCH = 10000;
const FETCH_STATUS = 3000;
const AGAIN = 500;
const LATEST_AGAIN = 8000;
const SOON = 2000;

const TROUBLES = new Map([
  [401, "the secret has changed, load the page again"],
  [403, "it may not be seen here"],
  [503, "too many look at once"],
]);

const pause = document.getElementById("pause");

let source = null;
let paused = false;
let instance = null;
let count = 0; // of transfers that have ended, as of the last frame
let frameAt = null; // when that came, by this browser's clock
let live = false;
let retry = null;
let wait = AGAIN;
let trouble = "";
let gap = false; // some records came in no frame
let filledAt = 0;
let missed = false; // a request was refused since the names were fetched
let missesAt = 0;
let learned = false;

// The stream

function connect() {
  clearTimeout(retry);
  if (source === null && !paused && !document.hidden) {
    source = new EventSource("events");
    source.onmessage = (event) => take(JSON.parse(event.data));
    source.onerror = () => {
      disconnect();
      retry = setTimeout(connect, wait);
      wait = Math.min(LATEST_AGAIN, wait * 2);
      findTrouble();
    };
  }
}

/** Why there is no stream: a browser does not tell. */
async function findTrouble() {
  const answer = await fetch("events", { method: "HEAD" }).catch(() => null);
  trouble = TROUBLES.get(answer?.status) ?? "";
  tellLink();
}

function disconnect() {
  clearTimeout(retry);
  source?.close();
  source = null;
  live = false;
}

function take(frame) {
  frameAt = Date.now();
  if (instance !== frame.instance) {
    startAnew(frame.instance);
  }
  if (!live) {
    live = true;
    wait = AGAIN;
    trouble = "";
    fetchAll();
  }
  gap ||= frame.ended_count - count > frame.ended.length;
  count = frame.ended_count;
  if (frame.ended.length > 0) {
    keep(frame.ended);
    showRecent();
    showProblems();
  }
  if (gap && Date.now() - filledAt > FETCH) {
    fill();
  }
  missed ||= frame.ended.some(({ outcome }) => outcome === "refused");
  if (missed && Date.now() - missesAt > SOON) {
    fetchMisses();
  }
  showActive(frame);
  showState(frame);
  tellLink();
}

/** What is here is of another run of the daemon, or nothing. */
function startAnew(other) {
  instance = other;
  forget();
  showRecent();
  showProblems();
  count = 0;
  filledAt = 0;
  learned = false;
  live = false;
}

// What is fetched

async function get(path) {
  try {
    const answer = await fetch(`api/${path}`);
    return answer.ok ? await answer.json() : null;
  } catch {
    return null; // the stream tells that nobody answers
  }
}

function fetchAll() {
  fetchStatus();
  fetchHistory();
  fetchMisses();
  if (!learned) {
    fetchReasons();
  }
}

async function fetchStatus() {
  const answer = await get("status");
  if (answer) {
    showStatus(answer);
  }
}

async function fetchHistory() {
  const answer = await get("history");
  if (answer) {
    showHistory(answer);
  }
}

async function fetchMisses() {
  missesAt = Date.now();
  missed = false;
  const answer = await get("misses?last=50");
  if (answer) {
    showMisses(answer);
  }
}

async function fetchReasons() {
  const table = await get("reasons");
  if (table) {
    learned = true;
    learn(table);
    showProblems();
  }
}

/** Have the records that no frame brought: there were too many, or nobody looked. */
async function fill() {
  filledAt = Date.now();
  gap = false;
  const asked = instance;
  const answer = await get("transfers?last=1000");
  if (answer === null) {
    gap = true;
  } else if (asked === instance) {
    keep(answer.ended);
    showRecent();
    showProblems();
  }
}

function tellLink() {
  showLink({ paused, live, trouble, seenAt: frameAt });
}

// What people do

pause.addEventListener("click", () => {
  paused = !paused;
  pause.setAttribute("aria-pressed", String(paused));
  if (paused) {
    disconnect();
  } else {
    connect();
  }
  tellLink();
});

document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    disconnect();
  } else {
    connect();
  }
});

/** Every so many milliseconds, while somebody looks. */
function often(time, fetchSome) {
  setInterval(() => source !== null && fetchSome(), time);
}

often(FETCH, fetchHistory);
often(FETCH, fetchMisses);
often(FETCH_STATUS, fetchStatus);
setInterval(tellLink, 1000);

watchFilters(() => {
  refilter();
  showProblems();
});
connect();
