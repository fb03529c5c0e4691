// Picking alerts: a box for all of them, a count, and Shift for a stretch.
(() => {
  const table = document.getElementById("queue");
  const bar = document.querySelector("[data-picked]");
  if (!table || !bar) return;
  const boxes = [...table.querySelectorAll('input[name="picked"]')];
  const head = table.querySelector("thead th");
  const all = document.createElement("input");
  all.type = "checkbox";
  all.setAttribute("aria-label", "Select all alerts of this page");
  head.replaceChildren(all);
  let last = -1;

  function show() {
    const n = boxes.filter((box) => box.checked).length;
    all.checked = n === boxes.length;
    all.indeterminate = n > 0 && n < boxes.length;
    bar.textContent = n ? `${n} selected:` : "Select alerts, then:";
    for (const box of boxes) box.closest("tr").classList.toggle("is-selected", box.checked);
  }

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
  window.addEventListener("pageshow", show);
  show();
})();
