// Draw each chart when it comes near the screen, in the theme the reader uses.
(() => {
  const themes = JSON.parse(document.getElementById("themes").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const charts = [...document.querySelectorAll(".chart")];
  const drawn = new Set();

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
        config: dark.matches ? themes.dark : themes.light,
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
        draw(entry.target);
      }
    },
    { rootMargin: "600px" },
  );
  charts.forEach((chart) => watcher.observe(chart));
  dark.addEventListener("change", () => drawn.forEach(draw));
  window.addEventListener("beforeprint", () => {
    document.querySelectorAll("details").forEach((part) => (part.open = true));
    charts.filter((chart) => !drawn.has(chart)).forEach(draw);
  });
})();
