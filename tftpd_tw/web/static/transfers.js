// What rows about transfers have in common.

import { element } from "./elements.js";
import { endpoint } from "./text.js";

/** The part of a file's path that the name asked for leads to by itself: no drive, no slash at the start. */
function plain(name) {
  return name.replaceAll("\\\\", "/").replace(/^[A-Za-z]:/, "").replace(/^(\.?\/)+/, "");
}

/** The file that was served, if its path says more than the name that was asked for; else null. */
function servedElsewhere({ name, served }) {
  return served === null || `/${served}`.endsWith(`/${plain(name)}`) ? null : served;
}

/** The name asked for; below it the direction, and the file served. */
export function file(transfer) {
  const served = servedElsewhere(transfer);
  return [
    element("span", { class: "name" }, transfer.name),
    element(
      "span",
      { class: "note" },
      element("span", { class: `way ${transfer.direction}` }, transfer.direction),
      served === null ? null : element("span", { class: "served" }, ` → ${served}`),
    ),
  ];
}

/** Its client, as a link that has only its transfers shown. A long IPv6 address may take two lines, IPv4 never. */
export function client(transfer) {
  const parts = endpoint(transfer.client, transfer.port).match(/.{1,21}/gsu);
  const href = `?${new URLSearchParams({ client: transfer.client })}`;
  return element("a", { href, class: "client" }, ...parts.flatMap((part) => [element("wbr"), part]));
}

/** `1428 × 16`: what was agreed, or what holds without an agreement. */
export function terms({ agreed }) {
  return `${agreed?.blksize ?? 512} × ${agreed?.windowsize ?? 1}`;
}
