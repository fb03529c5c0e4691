// Draw charts near the screen at once and the others one by one, in the reader's theme.
(() => {
  const themes = JSON.parse(document.getElementById("themes").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const charts = [...document.querySelectorAll(".chart")];
  const drawn = new Set();

  // On a phone names and legends must leave room for what they name.
  function look(narrow) {
    const theme = dark.matches ? themes.dark : themes.light;
    if (!narrow) return theme;
    return {
      ...theme,
      axis: { ...theme.axis, labelFontSize: 11, labelLimit: 130 },
      legend: { ...theme.legend, columns: 1 },
    };
  }

  async function draw(chart) {
    drawn.add(chart);
    const spec = JSON.parse(chart.parentNode.querySelector("script.spec").textContent);
    chart.classList.toggle("dark", dark.matches);
    try {
      await vegaEmbed(chart, spec, {
        mode: "vega-lite",
        renderer: "svg",
        ast: true, // no eval: the page's Content-Security-Policy forbids it
        actions: chart.closest(".small")
          ? false
          : { export: true, source: false, compiled: false, editor: false },
        config: look(chart.clientWidth < 480),
        tooltip: { theme: dark.matches ? "dark" : "light" },
      });
    } catch (error) {
      chart.textContent = "This chart could not be drawn: " + error.message;
    }
  }

  const watcher = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        watcher.unobserve(entry.target);
        if (!drawn.has(entry.target)) draw(entry.target);
      }
    },
    { rootMargin: "600px" },
  );
  charts.forEach((chart) => watcher.observe(chart));
  (async () => {
    for (const chart of charts) {
      await new Promise((resume) => setTimeout(resume, 20)); // let the page breathe
      if (!drawn.has(chart)) await draw(chart);
    }
  })();
  dark.addEventListener("change", () => drawn.forEach(draw));
  window.addEventListener("beforeprint", () => {
    document.querySelectorAll("details").forEach((part) => (part.open = true));
    charts.filter((chart) => !drawn.has(chart)).forEach(draw);
  });
})();
