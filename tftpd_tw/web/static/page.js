// The page of a daemon: live by a stream of frames, one a second, and by what is fetched every few seconds.
//
// Nothing is kept of a frame but the records of what has ended. Nothing happens in a tab that nobody looks at: its
// stream is closed, and opened again when it is looked at.

import { showActive } from "./active.js";
import { showHistory } from "./charts.js";
import { put, reveal } from "./elements.js";
import { watchFilters } from "./filters.js";
import { showMisses } from "./misses.js";
import { showProblems } from "./problems.js";
import { learn } from "./reasons.js";
import { forget, keep, refilter, showRecent } from "./recent.js";
import { clock, duration, rate, whole } from "./text.js";

const STALE = 5000;
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

const by = (id) => document.getElementById(id);

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
let version = null;
let status = null;

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

// What is shown of the daemon itself

function showState(frame) {
  by("health").dataset.state = frame.healthy ? "good" : "bad";
  put(by("health"), frame.healthy ? "serving" : "nobody serves");
  put(by("active-count"), whole(frame.active_count));
  put(by("waiting"), `${whole(frame.unverified)} unverified, ${whole(frame.opening)} opening`);
  put(by("read-rate"), rate(frame.rates.read));
  put(by("write-rate"), rate(frame.rates.write));
  showUptime(frame.time);
  document.title = `${frame.active_count > 0 ? `${frame.active_count} active – ` : ""}tftpd-tw`;
}

function showUptime(time) {
  if (status !== null) {
    put(by("uptime"), duration(Math.max(0, status.up_seconds + time - status.time)));
  }
}

function showStatus(now) {
  if (version !== null && version !== now.version) {
    location.reload(); // this script is that of another version
  }
  version = now.version;
  status = now;
  put(by("version"), now.version);
  put(by("versions"), `tftpd-tw ${now.version}, Twisted ${now.twisted}, Python ${now.python}, process ${now.pid}`);
  put(by("settings-text"), now.settings);
  const { workers, reload } = now;
  showUptime(now.time);
  reveal(by("crew"), workers !== null);
  put(by("workers"), whole(workers?.serving ?? 0));
  const notes = [
    workers?.unresponsive > 0 ? `${whole(workers.unresponsive)} not responding` : "",
    workers?.replaced > 0 ? `${whole(workers.replaced)} replaced` : "",
  ];
  put(by("workers-note"), notes.filter(Boolean).join(", "));
  by("workers").dataset.state = workers?.unresponsive > 0 ? "bad" : "";
  const at = clock(new Date(reload.at * 1000));
  put(by("reload"), reload.successful ? `taken ${at}` : `reload failed ${at}`);
  by("reload").dataset.state = reload.successful ? "" : "bad";
  const alarms = [
    now.healthy ? "" : "Nobody serves requests. The log says why.",
    reload.successful ? "" : `The reload at ${at} failed, and the settings before it are still used. The log says why.`,
  ];
  put(by("alarm"), alarms.filter(Boolean).join(" "));
  reveal(by("alarm"), alarms.some(Boolean));
}

function tellLink() {
  const since = frameAt === null ? "" : clock(new Date(frameAt));
  const late = frameAt !== null && Date.now() - frameAt > STALE;
  let [state, text] = ["connecting", "connecting"];
  if (paused) {
    [state, text] = ["paused", `paused since ${since}`];
  } else if (late) {
    [state, text] = ["stale", `stale since ${since}`];
  } else if (frameAt !== null) {
    state = text = live ? "live" : "reconnecting";
  }
  by("link").dataset.state = state;
  put(by("link"), trouble && !live && !paused ? `${text}: ${trouble}` : text);
}

// What people do

by("pause").addEventListener("click", () => {
  paused = !paused;
  by("pause").setAttribute("aria-pressed", String(paused));
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
