// Quantities and times for people, as `tftpd-tw metrics` writes them.

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

/** `117 MB`: three digits, units of 1000. */
export function bytes(count) {
  let unit = 0;
  while (unit < UNITS.length - 1 && Math.abs(count) >= (unit ? 999.5 : 1000)) {
    count /= 1000;
    unit += 1;
  }
  return `${unit ? digits(count) : Math.round(count)} ${UNITS[unit]}`;
}

/** `117 MB/s`. */
export function rate(count) {
  return `${bytes(count)}/s`;
}

/** `1,234`. */
export function whole(count) {
  return count.toLocaleString("en");
}

/** `0.41 ms`. */
export function milliseconds(time) {
  return time >= 1000 ? `${digits(time / 1000)} s` : `${digits(time)} ms`;
}

/** `0.49 s`, `4 min 12 s`, `2 h 5 min`, `3 d 4 h`. */
export function duration(seconds) {
  if (seconds < 0.9995) {
    return milliseconds(seconds * 1000);
  }
  if (seconds < 59.95) {
    return `${seconds.toFixed(1)} s`;
  }
  const all = Math.round(seconds);
  if (all < 3600) {
    return `${Math.floor(all / 60)} min ${all % 60} s`;
  }
  if (all < 86400) {
    return `${Math.floor(all / 3600)} h ${Math.floor((all % 3600) / 60)} min`;
  }
  return `${Math.floor(all / 86400)} d ${Math.floor((all % 86400) / 3600)} h`;
}

/** `12:34:56` of this browser's zone, with the date if it is not today's; `time` is a Date. */
export function clock(time, now = new Date()) {
  const two = (number) => String(number).padStart(2, "0");
  const hours = `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
  if (time.toDateString() === now.toDateString()) {
    return hours;
  }
  return `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} ${hours}`;
}

/** `[2001:db8::1]:2070`. */
export function endpoint(host, port) {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** `1 client`, `2 clients`. */
export function counted(count, noun) {
  return `${whole(count)} ${noun}${count === 1 ? "" : "s"}`;
}

function digits(value) {
  const size = Math.abs(value);
  return value.toFixed(size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2);
}
