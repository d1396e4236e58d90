// Without a network a form stays as it is; a long one is also kept on this device until it is sent.
(() => {
  const summary = document.getElementById("problem");
  if (summary) summary.focus();
  document.querySelectorAll("form[data-keep]").forEach((form) => {
    const key = "linli:" + form.dataset.keep;
    const fields = () => Array.from(form.elements).filter((e) => e.name && !e.name.startsWith("_") && e.type !== "file" && e.type !== "password");
    let kept = null;
    try { kept = JSON.parse(localStorage.getItem(key) || "null"); } catch { kept = null; }
    if (kept && !summary && !form.dataset.filled) {
      fields().forEach((e) => {
        const value = kept[e.name + (e.type === "checkbox" || e.type === "radio" ? ":" + e.value : "")];
        if (value === undefined) return;
        if (e.type === "checkbox" || e.type === "radio") e.checked = value; else e.value = value;
      });
      const note = form.querySelector("[data-kept]");
      if (note) note.hidden = false;
    }
    form.addEventListener("input", () => {
      const state = {};
      fields().forEach((e) => { state[e.name + (e.type === "checkbox" || e.type === "radio" ? ":" + e.value : "")] = e.type === "checkbox" || e.type === "radio" ? e.checked : e.value; });
      try { localStorage.setItem(key, JSON.stringify(state)); } catch { /* a full or forbidden store: the form still works */ }
    });
  });
  document.querySelectorAll("[data-sent]").forEach((sent) => { try { localStorage.removeItem("linli:" + sent.dataset.sent); } catch { /* nothing was kept */ }
  });
  document.querySelectorAll("form").forEach((form) => form.addEventListener("submit", (event) => {
    const offline = form.querySelector("[data-offline]") || document.getElementById("offline");
    offline.hidden = navigator.onLine;
    if (!navigator.onLine) {
      event.preventDefault();
      offline.focus();
      return;
    }
    setTimeout(() => form.querySelectorAll("button[type=submit]").forEach((b) => { b.disabled = true; }), 0);
  }));
  window.addEventListener("pageshow", () => document.querySelectorAll("button[type=submit]").forEach((b) => { b.disabled = false; }));
  document.querySelectorAll("[data-filter]").forEach((box) => {
    const list = document.getElementById(box.dataset.filter);
    const find = box.querySelector("input");
    box.hidden = false;
    find.addEventListener("input", () => Array.from(list.children).forEach((line) => {
      line.hidden = !line.textContent.includes(find.value.trim()) && !line.querySelector("input:checked");
    }));
    const first = list.querySelector("input:checked");
    if (first) list.scrollTop = first.closest("label").offsetTop - list.offsetTop;
  });
  // A page that asks for news says so when it gets none.
  document.addEventListener("htmx:afterRequest", (event) => document.querySelectorAll("[data-cut]").forEach((e) => { e.hidden = event.detail.successful; }));
  // What the reader has opened stays open when a part of the page comes anew.
  let opened = [];
  document.addEventListener("htmx:beforeSwap", (event) => { opened = Array.from(event.target.querySelectorAll("details[open][id]"), (e) => e.id); });
  document.addEventListener("htmx:afterSettle", () => opened.forEach((id) => { const e = document.getElementById(id); if (e) e.open = true; }));
  document.querySelectorAll("[data-print]").forEach((b) => { b.hidden = false; b.addEventListener("click", () => window.print()); });
})();
