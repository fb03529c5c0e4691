// "Try it" on the page of the API: one request with a key that stays in the page.
(() => {
  const place = document.getElementById("try");
  const form = place?.querySelector("form");
  if (!form) return;
  const { key, call, body } = form.elements;
  const answer = place.querySelector(".try-answer");
  key.autocomplete = "off";
  key.spellcheck = false;
  place.hidden = false;

  function show() {
    place.querySelector("[data-body]").hidden = !call.value.startsWith("POST");
  }

  function tell(title, text) {
    answer.querySelector("h3").textContent = title;
    answer.querySelector("code").textContent = text;
    answer.hidden = false;
  }

  function pretty(text) {
    try {
      return JSON.stringify(JSON.parse(text), null, 2);
    } catch {
      return text;
    }
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const [method, path] = call.value.split(" ");
    const headers = { Authorization: `Bearer ${key.value.trim()}` };
    const request = { method, headers, credentials: "omit", cache: "no-store" };
    if (method === "POST") {
      headers["Content-Type"] = "application/json";
      request.body = body.value;
    }
    try {
      const response = await fetch(form.dataset.try + path, request);
      const text = await response.text();
      tell(`Status ${response.status}`, pretty(text));
    } catch (error) {
      tell("No answer", `${error.message}. Check the key and the network, then send again.`);
    }
  });

  // a page that comes back from the browser's memory holds no key
  window.addEventListener("pagehide", () => {
    key.value = "";
  });
  call.addEventListener("change", show);
  window.addEventListener("pageshow", show);
  show();
})();
