// Runs before the page is painted: the reader's choice of colours, kept in this browser.
(() => {
  const KEY = "evenflow-theme";
  const root = document.documentElement;

  function kept() {
    try {
      return localStorage.getItem(KEY) || "auto";
    } catch {
      return "auto"; // storage is switched off
    }
  }

  function apply(choice) {
    if (choice === "light" || choice === "dark") root.dataset.theme = choice;
    else delete root.dataset.theme;
  }

  function show(choice) {
    for (const button of document.querySelectorAll("[data-theme-choice]")) {
      button.setAttribute("aria-pressed", String(button.dataset.themeChoice === choice));
      button.parentElement.hidden = false;
    }
  }

  function tell() {
    document.dispatchEvent(new CustomEvent("evenflow:theme"));
  }

  apply(kept());
  root.classList.add("js");
  document.addEventListener("DOMContentLoaded", () => show(kept()));
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-theme-choice]");
    if (!button) return;
    const choice = button.dataset.themeChoice;
    try {
      localStorage.setItem(KEY, choice);
    } catch {
      // the choice then holds for this page alone
    }
    apply(choice);
    show(choice);
    tell();
  });
  window.addEventListener("storage", (event) => {
    if (event.key !== KEY) return; // chosen in another tab
    apply(kept());
    show(kept());
    tell();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", tell);
})();
