// The console works without this file, except for the playground's live view: it adds keys, and little else.
"use strict";

const typing = (at) => at instanceof Element && at.closest("input:not([type=checkbox],[type=radio]), textarea, select, [contenteditable]") !== null;
let going = false;

function visible(element) {
  return element.getClientRects().length > 0 && !element.disabled;
}

function act(key, name) {
  const found = [...document.querySelectorAll(`[data-${name}="${CSS.escape(key)}"]`)].find((each) => name === "go" || visible(each));
  if (!found) return false;
  if (found.matches("input, textarea, select")) found.focus();
  else found.click();
  return true;
}

function showKeys() {
  const dialog = document.getElementById("keys");
  const list = dialog.querySelector("dl");
  list.replaceChildren();
  const add = (keys, says) => {
    const term = document.createElement("dt");
    for (const key of keys) {
      const one = document.createElement("kbd");
      one.textContent = key;
      term.append(one);
    }
    const text = document.createElement("dd");
    text.textContent = says;
    list.append(term, text);
  };
  for (const each of document.querySelectorAll("[data-key]")) {
    if (visible(each)) add([each.dataset.key], each.dataset.says || each.textContent.replace(/\s+\S$/, "").trim());
  }
  for (const each of document.querySelectorAll("[data-go]")) add(["g", each.dataset.go], each.firstChild.textContent.trim());
  add(["?"], "These keys");
  dialog.showModal();
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.form) {
    event.preventDefault();
    // Where a form has several buttons, which one is meant nobody knows.
    const buttons = [...event.target.form.elements].filter((each) => each.type === "submit" && visible(each));
    if (buttons.length === 1) event.target.form.requestSubmit(buttons[0]);
    return;
  }
  if (event.key === "Escape" && typing(event.target)) {
    event.target.blur();
    return;
  }
  if (event.key === "Enter" && !event.shiftKey && event.target.matches("[data-enter]")) {
    event.preventDefault();
    event.target.form.requestSubmit();
    return;
  }
  // A key that is held down would decide the next cases, too, before anybody saw them.
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  if (!document.body.hasAttribute("data-shortcuts") || document.querySelector("dialog[open]")) return;
  if (going) {
    going = false;
    if (act(event.key, "go")) event.preventDefault();
    return;
  }
  if (event.key === "g") {
    going = true;
    setTimeout(() => { going = false; }, 1200);
    return;
  }
  if (event.key === "?") {
    event.preventDefault();
    showKeys();
    return;
  }
  if (act(event.key, "key")) event.preventDefault();
});

// A button that fills in a field, and may send its form.
document.addEventListener("click", (event) => {
  const button = event.target instanceof Element ? event.target.closest("[data-fill]") : null;
  if (!button) return;
  const field = document.getElementById(button.dataset.into);
  if (!field) return;
  field.value = button.dataset.fill;
  const also = document.getElementById("temperature");
  if (also) also.value = button.dataset.also || "";
  field.dispatchEvent(new Event("change", { bubbles: true }));
  if (button.hasAttribute("data-send")) field.form.requestSubmit();
  else field.focus();
});

// A choice fills in the words that belong to it.
document.addEventListener("change", (event) => {
  const choice = event.target instanceof Element ? event.target.closest("select[data-words]") : null;
  if (!choice) return;
  const field = document.getElementById(choice.dataset.words);
  const words = choice.selectedOptions[0] && choice.selectedOptions[0].dataset.text;
  if (field && words !== undefined) field.value = words;
});

// What must be confirmed says so; and what is under way is not sent a second time.
let sent = -Infinity;
document.addEventListener("submit", (event) => {
  if (event.defaultPrevented || event.target.method === "dialog") return;
  const asks = event.submitter && event.submitter.dataset.asks;
  if (performance.now() - sent < 5000 || (asks && !window.confirm(asks))) event.preventDefault();
  else sent = performance.now();
});
window.addEventListener("pageshow", () => { sent = -Infinity; });

// The playground: one request at a time, the newest words in sight, the field empty for the next ones.
document.addEventListener("htmx:before:request", (event) => {
  const form = event.target instanceof Element ? event.target.closest("form[data-talk]") : null;
  if (!form) return;
  form.querySelector("button.primary").disabled = true;
  form.querySelector("textarea").value = "";
});
document.addEventListener("htmx:finally:request", (event) => {
  const form = event.target instanceof Element ? event.target.closest("form[data-talk]") : null;
  if (!form) return;
  form.querySelector("button.primary").disabled = false;
  form.querySelector("textarea").focus();
});
document.addEventListener("htmx:after:swap", () => {
  const talk = document.getElementById("talk");
  if (talk && talk.lastElementChild) talk.lastElementChild.scrollIntoView({ block: "nearest" });
});

