// What is shown of the daemon itself: how it is, how long it has run, its settings, and whether that is still so.

import { put, reveal } from "./elements.js";
import { clock, duration, rate, whole } from "./text.js";

const STALE = 5000; // milliseconds without a frame

const by = (id) => document.getElementById(id);

let status = null;

/** What `frame` has of it. */
export function showState(frame) {
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

/** The answer of /api/status. */
export function showStatus(now) {
  if (status !== null && status.version !== now.version) {
    location.reload(); // this script is that of another version
  }
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

/** Whether all of this is live: when a frame came last, and what is in the way of the next. */
export function showLink({ paused, live, trouble, seenAt }) {
  const since = seenAt === null ? "" : clock(new Date(seenAt));
  let [state, text] = ["connecting", "connecting"];
  if (paused) {
    [state, text] = ["paused", `paused since ${since}`];
  } else if (seenAt !== null && Date.now() - seenAt > STALE) {
    [state, text] = ["stale", `stale since ${since}`];
  } else if (seenAt !== null) {
    state = text = live ? "live" : "reconnecting";
  }
  by("link").dataset.state = state;
  put(by("link"), trouble && !live && !paused ? `${text}: ${trouble}` : text);
}
