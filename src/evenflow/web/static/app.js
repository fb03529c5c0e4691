// Progressive enhancement only: every page works without this file.
(() => {
  const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];

  function announce(text) {
    const place = document.getElementById("announce");
    if (place && text) place.textContent = text;
  }

  // data-confirm="Question?": ask before a form is sent.
  // Every other POST form: a second click while the first is under way does nothing.
  const sure = new WeakSet();
  const busy = new Map();

  function free(form) {
    clearTimeout(busy.get(form));
    busy.delete(form);
    form.removeAttribute("aria-busy");
  }

  function ask(form, submitter) {
    const dialog = document.getElementById("confirm");
    dialog.querySelector("p").textContent = form.dataset.confirm;
    dialog.returnValue = "";
    dialog.addEventListener(
      "close",
      () => {
        if (dialog.returnValue !== "yes") return;
        sure.add(form);
        form.requestSubmit(submitter);
      },
      { once: true },
    );
    dialog.showModal();
    dialog.querySelector('button[value=""]').focus(); // Enter alone changes nothing
  }

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method !== "post") return;
    if (busy.has(form)) {
      event.preventDefault();
      return;
    }
    if (form.dataset.confirm && !sure.delete(form)) {
      event.preventDefault();
      ask(form, event.submitter);
      return;
    }
    form.setAttribute("aria-busy", "true");
    busy.set(form, setTimeout(free, 15000, form)); // an answer that is a download
  });

  // a page that comes back from the browser's memory can be sent again
  window.addEventListener("pageshow", () => [...busy.keys()].forEach(free));

  // data-copy="text" and data-reveal="id of a password field"
  document.addEventListener("click", async (event) => {
    const copy = event.target.closest?.("[data-copy]");
    if (copy) {
      const words = copy.querySelector("span");
      const before = words.dataset.before || words.textContent;
      words.dataset.before = before;
      try {
        await navigator.clipboard.writeText(copy.dataset.copy);
        words.textContent = "Copied";
        announce("Copied");
      } catch {
        words.textContent = "Not allowed";
        announce("The browser does not allow copying");
      }
      setTimeout(() => (words.textContent = before), 2000);
    }
    const reveal = event.target.closest?.("[data-reveal]");
    if (reveal) {
      const field = document.getElementById(reveal.dataset.reveal);
      const shown = field.type === "password";
      field.type = shown ? "text" : "password";
      reveal.setAttribute("aria-pressed", String(shown));
    }
    for (const menu of $$("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of $$("details.menu[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });

  // data-poll="URL" data-every="5": fetch the inside again; 304 changes nothing,
  // 204 ends it, and a hidden tab asks for nothing.
  function poll(place) {
    const every = 1000 * Math.max(1, Number(place.dataset.every) || 5);
    let etag = place.dataset.etag || "";
    let wait = every;
    let timer = 0;
    let said = "";
    let running = false;

    function later() {
      clearTimeout(timer);
      if (place.isConnected && !document.hidden) timer = setTimeout(look, wait);
    }

    function stop(why) {
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", woken);
      place.removeAttribute("data-poll");
      announce(why);
    }

    function isInUse() {
      const at = document.activeElement;
      const typing = place.contains(at) && at.matches("input, select, textarea");
      return typing || document.querySelector("dialog[open]") !== null;
    }

    function replace(text) {
      const at = place.contains(document.activeElement) ? document.activeElement : null;
      const all = "a[href], button, summary, [tabindex]";
      const number = at ? $$(all, place).indexOf(at) : -1;
      const open = $$("details", place).map((part) => part.open);
      const made = document.createElement("template");
      made.innerHTML = text;
      place.replaceChildren(made.content);
      $$("details", place).forEach((part, k) => open[k] && (part.open = true));
      if (number >= 0) $$(all, place)[number]?.focus({ preventScroll: true });
      prepare(place);
      place.dispatchEvent(new CustomEvent("evenflow:changed", { bubbles: true }));
      const words = place.querySelector("[data-announce], .badge")?.textContent.trim();
      if (place.dataset.label && words && words !== said) {
        announce(`${place.dataset.label}: ${words}`);
        said = words;
      }
    }

    async function look() {
      if (running) return;
      if (isInUse()) {
        later();
        return;
      }
      running = true;
      try {
        const answer = await fetch(place.dataset.poll, {
          headers: etag ? { "If-None-Match": etag } : {},
          cache: "no-store",
          credentials: "same-origin",
        });
        if (answer.status === 204) return stop("");
        if (answer.redirected || [401, 403, 404, 410].includes(answer.status)) {
          return stop("Live updates have stopped. Load the page again.");
        }
        if (answer.status !== 304) {
          if (!answer.ok) throw new Error(String(answer.status));
          const text = await answer.text();
          if (isInUse()) return; // what is being typed stays; ask again soon
          etag = answer.headers.get("ETag") || "";
          replace(text);
        }
        wait = every;
      } catch {
        wait = Math.min(wait * 2, 60000);
      } finally {
        running = false;
        if (place.hasAttribute("data-poll")) later();
      }
    }

    function woken() {
      if (!document.hidden) look();
    }

    document.addEventListener("visibilitychange", woken);
    later();
  }

  // a time in the reader's own zone, in UTC on hover; a field of UTC likewise
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const isUtc = ["UTC", "Etc/UTC", "GMT", "Etc/GMT"].includes(zone);

  function local(at, length) {
    const own = new Date(at.getTime() - 60000 * at.getTimezoneOffset());
    return own.toISOString().slice(0, length).replace("T", " ");
  }

  function localise(within) {
    if (isUtc) return;
    for (const place of $$("time.moment:not([title])", within)) {
      const at = new Date(place.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      place.title = place.textContent;
      place.textContent = local(at, place.title.length - " UTC".length);
    }
    for (const field of $$('input[type="datetime-local"]:not([data-local])', within)) {
      field.dataset.local = "";
      if (field.value) field.value = local(new Date(`${field.value}Z`), 19).replace(" ", "T");
      const unit = field.closest(".field").querySelector(".unit");
      if (unit) unit.textContent = zone;
    }
  }

  document.addEventListener("formdata", (event) => {
    for (const field of $$("input[data-local]", event.target)) {
      if (field.value) event.formData.set(field.name, new Date(field.value).toISOString());
    }
  });

  // what is only of use with this script, in the page and in every replaced part
  function prepare(within) {
    if (navigator.clipboard) $$("[data-copy]", within).forEach((b) => (b.hidden = false));
    $$("[data-reveal]", within).forEach((b) => (b.hidden = false));
    localise(within);
    $$(".table", within).forEach((table) => widths.observe(table));
  }

  // a table that fits needs no stop of its own on the keyboard's way
  const widths = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (target.scrollWidth > target.clientWidth + 1) target.tabIndex = 0;
      else target.removeAttribute("tabindex");
    }
  });

  prepare(document);
  $$("[data-poll]").forEach(poll);
  document.querySelector(".errors[tabindex]")?.focus();
  window.addEventListener("beforeprint", () => {
    $$("details:not(.menu)").forEach((part) => (part.open = true));
  });
})();
