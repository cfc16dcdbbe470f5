// Local times, live refresh, keys. Every screen works without it.
"use strict";

const LEAST_S = 5;
document.documentElement.classList.add("js");

// Times are sent in UTC; the reader's own are shown, and UTC on pointing at them.
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const minute = new Intl.DateTimeFormat(undefined, {
  weekday: "short", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23",
});
const long = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const second = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
});

function localTimes(root) {
  const now = new Date();
  for (const time of root.querySelectorAll("time")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    time.title = time.textContent;
    const isToday = day.format(at) === day.format(now);
    const isNear = Math.abs(now - at) < 180 * 86_400_000;
    time.textContent = (isToday ? second : isNear ? minute : long).format(at);
  }
}

// A screen that changes is fetched again while it is looked at, and nothing in it is in use.
const clock = document.getElementById("clock");
let main = document.querySelector("main");
let refreshedAt = Date.now();
let isBusy = false;

function isInUse() {
  const focus = document.activeElement;
  return main.contains(focus) && focus.matches("input, select, button");
}

function say(text) {
  if (clock !== null) clock.textContent = text;
}

async function refresh() {
  if (isBusy) return;
  isBusy = true;
  try {
    const answer = await fetch(location.href, { redirect: "error", headers: { Accept: "text/html" } });
    if (answer.status === 401) return say("The session is over: open the link that the terminal shows.");
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("main");
    if (!answer.ok || fresh === null || isInUse()) return say(`Not refreshed since ${second.format(refreshedAt)}`);
    const place = document.activeElement?.getAttribute?.("href");
    localTimes(fresh);
    main.replaceWith(document.adoptNode(fresh));
    main = fresh;
    document.title = page.title;
    if (place) main.querySelector(`a[href="${CSS.escape(place)}"]`)?.focus();
    refreshedAt = Date.now();
    say(`Refreshed ${second.format(refreshedAt)}`);
  } catch {
    say(`No answer since ${second.format(refreshedAt)}: is marketplace-sync ui still running?`);
  } finally {
    isBusy = false;
  }
}

function tick() {
  const every = Number(main.dataset.live || 0);
  if (every < LEAST_S || document.hidden || isInUse()) return;
  if (Date.now() - refreshedAt >= every * 1000) refresh();
}

// Keys: none while somebody writes, and none together with another.
function move(step) {
  const rows = [...main.querySelectorAll("tbody tr")].filter((row) => row.querySelector("a"));
  if (rows.length === 0) return;
  const at = rows.findIndex((row) => row.classList.contains("here"));
  const next = rows[Math.min(rows.length - 1, Math.max(0, at + step))];
  rows[at]?.classList.remove("here");
  next.classList.add("here");
  next.querySelector("a").focus();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return;
  const screens = document.querySelectorAll("header nav a");
  if (event.key === "j") move(1);
  else if (event.key === "k") move(-1);
  else if (event.key === "r") refresh();
  else if (event.key === "/") {
    const field = main.querySelector(".filter input, .filter select");
    if (field === null) return;
    event.preventDefault();
    field.focus();
  } else if (screens[Number(event.key) - 1]) screens[Number(event.key) - 1].click();
});

localTimes(document);
if (main.dataset.live) say(`Refreshed every ${main.dataset.live} s`);
setInterval(tick, 1000);
document.addEventListener("visibilitychange", tick);
