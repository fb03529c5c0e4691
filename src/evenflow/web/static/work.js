// Working off alerts: select rows, act by keyboard. The pages work without this file.
(() => {
  const table = document.getElementById("queue");
  const bar = document.querySelector("[data-picked]");
  const rows = table ? [...table.querySelectorAll("[data-row]")] : [];
  const boxes = rows.map((row) => row.querySelector('input[name="picked"]'));
  const everything = document.querySelector('input[name="scope"][value="all"]');
  const keys = document.getElementById("keys");
  let last = -1;

  function show() {
    const n = boxes.filter((box) => box.checked).length;
    all.checked = n > 0 && n === boxes.length;
    all.indeterminate = n > 0 && n < boxes.length;
    bar.textContent = everything?.checked ? "All that match:" : `${n} selected:`;
    rows.forEach((row, at) => row.classList.toggle("is-selected", boxes[at].checked));
  }

  // a box for all rows of the page, and Shift for a stretch
  const all = document.createElement("input");
  if (table && bar) {
    all.type = "checkbox";
    all.setAttribute("aria-label", "Select all rows of this page");
    table.querySelector("thead th").replaceChildren(all);
    all.addEventListener("change", () => {
      for (const box of boxes) box.checked = all.checked;
      show();
    });
    boxes.forEach((box, at) =>
      box.addEventListener("click", (event) => {
        if (event.shiftKey && last >= 0) {
          const [from, to] = [Math.min(at, last), Math.max(at, last)];
          for (const other of boxes.slice(from, to + 1)) other.checked = box.checked;
        }
        last = at;
        show();
      }),
    );
    everything?.addEventListener("change", show);
    window.addEventListener("pageshow", show);
    show();
  }

  // the row with the keyboard is the one whose link has the focus, or had it last
  let current = -1;
  function go(to) {
    if (!rows.length) return document.querySelector("a[data-next]")?.click();
    current = Math.max(0, Math.min(rows.length - 1, to));
    rows.forEach((row, at) => row.classList.toggle("is-current", at === current));
    rows[current].querySelector("a").focus();
  }
  rows.forEach((row, at) =>
    row.addEventListener("focusin", () => {
      current = at;
      rows.forEach((other) => other.classList.toggle("is-current", other === row));
    }),
  );

  function press(value) {
    const decide = document.querySelector(
      `[data-decide] button[name="decision"][value="${value}"]`,
    );
    const button =
      decide || document.querySelector(`button[name="action"][value="${value}"]`);
    if (!button) return;
    const needs = button.form.querySelector("#queue");
    if (needs && !everything?.checked && !boxes.some((box) => box.checked)) {
      if (current < 0) return;
      boxes[current].checked = true;
      show();
    }
    button.form.requestSubmit(button);
  }

  const acts = {
    j: () => go(current + 1),
    k: () => go(current - 1),
    x: () => {
      if (current < 0) return;
      boxes[current].checked = !boxes[current].checked;
      last = current;
      show();
    },
    t: () => press("true"),
    f: () => press("false"),
    l: () => press("later"),
    e: () => press("close"),
    u: () => document.querySelector("form.undo")?.requestSubmit(),
    "?": () => keys?.showModal(),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const at = event.target;
    const isTyping = at.matches?.("input:not([type=checkbox]), select, textarea");
    if (isTyping || document.querySelector("dialog[open]")) return;
    const act = acts[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  for (const button of document.querySelectorAll("[data-keys]")) {
    button.hidden = false;
    button.addEventListener("click", () => keys?.showModal());
  }
})();
