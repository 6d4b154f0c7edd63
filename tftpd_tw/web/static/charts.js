// The last hour in four charts. What is under the pointer, or where the arrow keys have led to, is told in words.

import { element, reveal } from "./elements.js";
import { clock, rate, whole } from "./text.js";

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 96;
const LEFT = 62;
const RIGHT = 8;
const TOP = 8;
const BOTTOM = 20;
const LEAST_SPAN = 600;
const LONGEST_SPAN = 3600;

const CHARTS = [
  {
    title: "Throughput",
    series: [
      { key: "read", name: "read", kind: "area" },
      { key: "written", name: "written", kind: "line" },
    ],
    say: rate,
    step: 1000,
  },
  { title: "Transfers in progress", series: [{ key: "active", name: "", kind: "area" }], say: whole },
  {
    title: "Failed and refused, per 10 s",
    series: [{ key: "failed", name: "", kind: "bars" }],
    say: whole,
    total: true,
  },
  {
    title: "Packets sent again, per 10 s",
    series: [{ key: "retransmits", name: "", kind: "bars" }],
    say: whole,
    total: true,
  },
];

let latest = null;
const drawn = CHARTS.map(makeChart);
document.getElementById("charts").append(...drawn.map((chart) => chart.node));
new ResizeObserver(drawAll).observe(document.getElementById("charts"));

/** Show the columns of /api/history. */
export function showHistory(history) {
  latest = history;
  reveal(document.getElementById("hour-none"), history.at.length === 0);
  reveal(document.getElementById("charts"), history.at.length > 0);
  drawAll();
}

function drawAll() {
  if (latest !== null && latest.at.length > 0) {
    drawn.forEach((chart) => chart.draw(latest));
  }
}

/** The next round number that is not below `value`, of which half is round too. */
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10].map((each) => each * power).find((each) => each >= value * 0.9999);
}

function svg(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    made.setAttribute(name, value);
  }
  return made;
}

function label(x, y, anchor, text) {
  const made = svg("text", { x, y, "text-anchor": anchor });
  made.textContent = text;
  return made;
}

function makeChart({ title, series, say, total = false, step = 1 }) {
  const picture = svg("svg", { "aria-hidden": "true", height: HEIGHT });
  const value = element("p", { class: "value" });
  const slider = element(
    "div",
    {
      role: "slider",
      tabindex: "0",
      class: "plot",
      "aria-label": `${title}: go through time`,
      "aria-orientation": "horizontal",
    },
    picture,
  );
  const node = element("figure", {}, element("figcaption", {}, element("h3", {}, title), value), slider);
  const mark = svg("g", { class: "mark" });
  let history = null;
  let at = null;
  let place = null;

  /** The words for each series: what it was at that moment, or what there is to say of all of it. */
  function words(key) {
    const values = history[key];
    if (at !== null) {
      return say(values[at]);
    }
    if (total) {
      return `${say(values.reduce((sum, one) => sum + one, 0))} in all`;
    }
    return `${say(values.at(-1))}, at most ${say(Math.max(...values))}`;
  }

  function tell() {
    const parts = series.map(({ key, name }) => [key, `${name} ${words(key)}`.trim()]);
    const time = at === null ? [] : [clock(new Date(history.at[at] * 1000))];
    value.replaceChildren(
      ...time,
      ...parts.map(([key, text]) => element("span", {}, element("span", { class: `key ${key}` }), text)),
    );
    slider.setAttribute("aria-valuetext", [...time, ...parts.map(([, text]) => text)].join("; "));
  }

  function point() {
    const last = history.at.length - 1;
    slider.setAttribute("aria-valuemin", "0");
    slider.setAttribute("aria-valuemax", String(last));
    slider.setAttribute("aria-valuenow", String(at ?? last));
    tell();
    mark.replaceChildren();
    if (at !== null) {
      const x = place.x(history.at[at]);
      mark.append(svg("line", { x1: x, x2: x, y1: TOP, y2: HEIGHT - BOTTOM }));
      mark.append(
        ...series.map(({ key }) => svg("circle", { class: key, cx: x, cy: place.y(history[key][at]), r: 3 })),
      );
    }
  }

  function draw(now) {
    // Who looks at a moment goes on looking at it, while others are added.
    const moment = at === null ? null : history.at[at];
    history = now;
    at = moment === null ? null : Math.max(0, history.at.indexOf(moment));
    const width = Math.max(160, slider.clientWidth);
    const end = history.at.at(-1);
    const span = Math.min(LONGEST_SPAN, Math.max(LEAST_SPAN, end - history.at[0]));
    const highest = Math.max(step, roundUp(Math.max(step, ...series.flatMap(({ key }) => history[key]))));
    const bottom = HEIGHT - BOTTOM;
    place = {
      x: (time) => round(LEFT + (1 - (end - time) / span) * (width - LEFT - RIGHT)),
      y: (amount) => round(bottom - (amount / highest) * (bottom - TOP)),
    };
    picture.setAttribute("width", width);
    picture.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    picture.replaceChildren(...axes(width, end, span, highest), ...series.map(curve), mark);
    point();
  }

  function axes(width, end, span, highest) {
    const levels = highest / 2 >= step && Number.isInteger(highest / 2) ? [0, highest / 2, highest] : [0, highest];
    const made = levels.flatMap((level) => [
      svg("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: place.y(level), y2: place.y(level) }),
      label(LEFT - 6, place.y(level) + 4, "end", say(level).replace(/\.0+ /, " ")),
    ]);
    const every = span > 2400 ? 900 : span > 1200 ? 600 : 300;
    const first = Math.ceil((end - span) / every) * every;
    for (let time = first; time <= end; time += every) {
      const x = place.x(time);
      made.push(svg("line", { class: "grid", x1: x, x2: x, y1: TOP, y2: HEIGHT - BOTTOM }));
      if (x < width - RIGHT - 14 && x > LEFT + 4) {
        made.push(label(x, HEIGHT - 5, "middle", clock(new Date(time * 1000)).slice(-8, -3)));
      }
    }
    return made;
  }

  function curve({ key, kind }) {
    const points = history.at.map((time, index) => [place.x(time), place.y(history[key][index])]);
    const base = place.y(0);
    if (kind === "bars") {
      const bars = points.filter(([, y]) => y < base).map(([x, y]) => `M${x} ${base}V${y}`);
      return svg("path", { class: `bars ${key}`, d: bars.join("") });
    }
    const line = points.map(([x, y]) => `${x} ${y}`).join("L");
    if (kind === "line") {
      return svg("path", { class: `line ${key}`, d: `M${line}` });
    }
    return svg("path", { class: `area ${key}`, d: `M${points[0][0]} ${base}L${line}L${points.at(-1)[0]} ${base}` });
  }

  function look(index) {
    if (history !== null) {
      at = index === null ? null : Math.min(history.at.length - 1, Math.max(0, index));
      point();
    }
  }

  slider.addEventListener("pointermove", (event) => {
    if (history !== null) {
      const x = event.clientX - slider.getBoundingClientRect().left;
      const far = history.at.map((time) => Math.abs(place.x(time) - x));
      look(far.indexOf(Math.min(...far)));
    }
  });
  slider.addEventListener("pointerleave", () => look(null));
  slider.addEventListener("blur", () => look(null));
  slider.addEventListener("keydown", (event) => {
    const last = (history?.at.length ?? 1) - 1;
    const here = at ?? last;
    const keys = {
      ArrowLeft: here - 1,
      ArrowDown: here - 1,
      ArrowRight: here + 1,
      ArrowUp: here + 1,
      PageDown: here - 30,
      PageUp: here + 30,
      Home: 0,
      End: last,
      Escape: null,
    };
    if (event.key in keys) {
      event.preventDefault();
      look(keys[event.key]);
    }
  });
  return { node, draw };
}

function round(value) {
  return Math.round(value * 10) / 10;
}
