// Sends a file in pieces, so that a lost connection loses one piece and not the file.
// Without this script the form sends the file whole.
(() => {
  // a job that has ended: the page shows what was found
  document.addEventListener("evenflow:changed", (event) => {
    const state = event.target.querySelector("[data-state]")?.dataset.state;
    if (state && !["queued", "running"].includes(state)) location.reload();
  });

  const form = document.querySelector("form[data-upload]");
  if (!form || !window.fetch || !Blob.prototype.slice) return;

  const TRIES = 8;
  const piece = Number(form.dataset.piece);
  const most = Number(form.dataset.most);
  const input = form.querySelector("input[type=file]");
  const drop = form.querySelector(".drop");
  const wrong = form.querySelector(".error");
  const place = form.querySelector(".upload-progress");
  const bar = place.querySelector("progress");
  const words = place.querySelector(".upload-words");
  const actions = form.querySelector(".form-actions");
  const token = form.querySelector("[name=csrf_token]").value;
  let running = null;

  const size = (n) => (n < 2 ** 20 ? `${Math.ceil(n / 1024)} KiB` : `${(n / 2 ** 20).toFixed(1)} MiB`);
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));

  function fail(text) {
    wrong.querySelector("span").textContent = text.replace(/[^.!?]$/, "$&.");
    wrong.hidden = !text;
    drop.classList.toggle("is-wrong", Boolean(text));
    input.toggleAttribute("aria-invalid", Boolean(text));
    input.setAttribute("aria-describedby", text ? "f-file-error f-file-hint" : "f-file-hint");
  }

  class Refused extends Error {}

  async function ask(method, url, body, signal, type) {
    const headers = { "X-CSRFToken": token, Accept: "application/json" };
    if (type) headers["Content-Type"] = type;
    const answer = await fetch(url, { method, body, headers, signal, credentials: "same-origin", redirect: "error" });
    const told = await answer.json().catch(() => ({}));
    if (answer.ok) return told;
    if (Number.isInteger(told.error?.offset)) return told.error;
    const text = told.error?.message || `The server answered ${answer.status}. Reload the page and try again.`;
    // what the server refuses it will refuse again; what it could not do it may do later
    if (answer.status < 500 && ![409, 429].includes(answer.status)) throw new Refused(text);
    if (answer.status === 507) throw new Refused(text);
    throw new Error(text);
  }

  async function again(signal, work) {
    for (let n = 0; ; n += 1) {
      try {
        return await work();
      } catch (error) {
        if (signal.aborted || error instanceof Refused || n + 1 >= TRIES) throw error;
        const why = error instanceof TypeError ? "The connection was lost" : error.message.replace(/\.$/, "");
        words.textContent = `${why}; trying again (${n + 1} of ${TRIES - 1})`;
        await wait(Math.min(1000 * 2 ** n, 20000));
        if (signal.aborted) throw error;
      }
    }
  }

  async function send(file, signal) {
    const json = "application/json";
    const choices = Object.fromEntries([...new FormData(form)].filter(([name]) => !["file", "csrf_token"].includes(name)));
    const about = JSON.stringify({ ...choices, name: file.name, size: file.size });
    const begun = await again(signal, () => ask("POST", form.dataset.upload, about, signal, json));
    running.url = begun.url;
    let offset = 0;
    const start = performance.now();
    while (offset < file.size) {
      const part = file.slice(offset, offset + piece);
      const told = await again(signal, () =>
        ask("PUT", `${begun.url}?offset=${offset}`, part, signal, "application/octet-stream"),
      );
      // 409 tells where to go on: a piece arrived though its answer was lost
      if (!Number.isInteger(told.offset)) throw new Error("The server's response is invalid.");
      offset = told.offset;
      bar.value = (100 * offset) / file.size;
      const rate = offset / ((performance.now() - start) / 1000);
      words.textContent = `${size(offset)} of ${size(file.size)} sent, ${size(rate)}/s`;
    }
    words.textContent = "Upload complete";
    const done = await again(signal, () => ask("POST", begun.finish, undefined, signal));
    running = null; // leaving the page is what is wanted now
    location.assign(done.url);
  }

  async function begin(file) {
    if (running) return;
    fail("");
    if (!file) return fail("No file was chosen. Choose one to upload.");
    if (!file.size) return fail(`${file.name} is empty, expected a file of records.`);
    if (file.size > most) return fail(form.dataset.tooLarge);
    const stop = new AbortController();
    running = { stop, url: null };
    place.hidden = false;
    actions.hidden = true;
    bar.value = 0;
    words.textContent = "Beginning";
    try {
      await send(file, stop.signal);
    } catch (error) {
      const url = running?.url;
      if (url && !(error instanceof Refused)) fetch(url, { method: "DELETE", headers: { "X-CSRFToken": token }, keepalive: true }).catch(() => {});
      fail(stop.signal.aborted ? "" : error instanceof TypeError ? "The server could not be reached. Try again." : error.message);
      place.hidden = true;
      actions.hidden = false;
      input.focus();
    } finally {
      running = null;
    }
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    begin(input.files[0]);
  });
  place.querySelector("[data-cancel]").addEventListener("click", () => running?.stop.abort());
  window.addEventListener("beforeunload", (event) => {
    if (running) event.preventDefault();
  });
  window.addEventListener("pageshow", () => {
    if (running) return;
    place.hidden = true;
    actions.hidden = false;
  });

  drop.querySelector(".drop-hint").hidden = false;
  for (const name of ["dragenter", "dragover"]) {
    drop.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.add("is-over");
    });
  }
  for (const name of ["dragleave", "drop"]) {
    drop.addEventListener(name, () => drop.classList.remove("is-over"));
  }
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length) input.files = event.dataTransfer.files;
    fail(event.dataTransfer.files.length > 1 ? "Several files were dropped; only the first one is uploaded." : "");
  });
})();
