// Which recent transfers are shown. The address of the page says so too, to be kept or sent to somebody.

const NAMES = ["client", "name", "outcome"];

const GOOD = new Set(["completed", "size-probe"]);

const form = document.getElementById("filters");

function value(name) {
  return form.elements[name].value.trim();
}

/** Whether somebody has to look into what became of a request. */
export function isProblem({ outcome }) {
  return !GOOD.has(outcome);
}

/** The filters as they are now: two functions of a record, and whether either of them leaves out anything. */
export function filters() {
  const [client, name, outcome] = NAMES.map(value);
  const wanted = client.toLowerCase();

  /** Whether it is about that client and that name. */
  function concern(record) {
    const who = [record.client, `${record.client}:${record.port}`, record.mac ?? ""];
    return record.name.includes(name) && who.some((text) => text.toLowerCase().includes(wanted));
  }

  /** Whether it is to be shown. */
  function show(record) {
    const fits = outcome === "problems" ? isProblem(record) : !outcome || record.outcome === outcome;
    return fits && concern(record);
  }

  const narrow = Boolean(client || name);
  return { concern, show, narrow, any: narrow || outcome !== "" };
}

/** Take them from the address of the page, and call `changed` whenever they are others. */
export function watchFilters(changed) {
  function read(query) {
    const wanted = new URLSearchParams(query);
    for (const name of NAMES) {
      form.elements[name].value = wanted.get(name) ?? form.elements[name].value;
    }
  }

  function write() {
    const pairs = NAMES.map((name) => [name, value(name)]).filter(([, text]) => text !== "");
    const query = new URLSearchParams(pairs).toString();
    history.replaceState(null, "", `${location.pathname}${query && `?${query}`}${location.hash}`);
    changed();
  }

  form.addEventListener("input", write);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    NAMES.forEach((name) => (form.elements[name].value = ""));
    write();
  });
  // Links that are nothing but filters set these here, and leave the others.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='?']");
    if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      read(link.search);
      write();
      document.getElementById("recent").focus();
    }
  });
  read(location.search);
}
