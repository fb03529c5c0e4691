// Draw every chart when it comes near the screen, in the reader's colours.
// The drawing library is fetched for the first one. Nothing here needs eval or styles
// in markup, so the page's Content-Security-Policy can forbid both.
(() => {
  const themes = JSON.parse(document.getElementById("chart-themes")?.textContent || "{}");
  const source = document.querySelector('meta[name="vega-src"]')?.content;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const drawn = new Map(); // place -> what vega-embed made
  const coarse = matchMedia("(pointer: coarse)");
  let library = null;

  function isDark() {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : system.matches;
  }

  function load() {
    library ??= new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = source;
      script.onload = resolve;
      script.onerror = () => reject(new Error("the chart library could not be loaded"));
      document.head.append(script);
    }).then(() => document.fonts?.ready);
    library.catch(() => (library = null)); // the next chart tries again
    return library;
  }

  // the page's own font and paper; on a phone names leave room for what they name
  function look(place) {
    const theme = (isDark() ? themes.dark : themes.light) || {};
    const style = getComputedStyle(place);
    const found = {
      ...theme,
      font: style.fontFamily,
      background: style.getPropertyValue("background-color"),
      axis: { ...theme.axis, labelSeparation: 6, labelLimit: place.clientWidth * 0.42 },
    };
    if (place.clientWidth >= 480) return found;
    return {
      ...found,
      axis: { ...found.axis, labelFontSize: 11, labelLimit: 140 },
      legend: { ...theme.legend, columns: 1 },
    };
  }

  function sized(spec) {
    const many = ["hconcat", "vconcat", "concat", "facet", "repeat"];
    if (many.some((key) => key in spec)) return spec;
    const whole = { type: "fit-x", contains: "padding" };
    return { autosize: whole, ...spec, width: "container" };
  }

  async function draw(place) {
    const figure = place.closest("figure");
    const title = figure.querySelector(".chart-title")?.textContent || "chart";
    try {
      const spec = JSON.parse(figure.querySelector("script.spec").textContent);
      await load();
      if (coarse.matches) delete spec.params; // a finger on it scrolls the page
      const before = drawn.get(place);
      place.replaceChildren();
      before?.finalize();
      const made = await vegaEmbed(place, sized(spec), {
        mode: "vega-lite",
        renderer: "svg",
        ast: true, // expressions are interpreted, not compiled by eval
        actions: false,
        defaultStyle: false, // app.css holds the styles
        tooltip: { disableDefaultStyle: true, theme: "evenflow" },
        config: look(place),
      });
      drawn.set(place, made);
      // the place is one picture with words of its own
      place.querySelector("svg")?.setAttribute("aria-hidden", "true");
      place.classList.add("is-drawn");
      if (spec.usermeta?.zoom) follow(made.view, spec);
      if (!before) offer(figure, place, title);
      if (!before && spec.usermeta?.zoom) explain(figure, Boolean(spec.params));
    } catch (error) {
      const words = document.createElement("p");
      words.className = "chart-failed";
      words.textContent = `This chart could not be drawn: ${error.message}`;
      place.removeAttribute("role"); // no picture any more: let the words be read
      place.replaceChildren(words);
    }
  }

  // a stretch of time selected with the mouse is where the page goes; so are the rows
  // of a bar that is clicked
  function follow(view, spec) {
    const { zoom, rows } = spec.usermeta;
    let stretch = null;
    let hasMoved = false;

    function go(address, since, until, more = {}) {
      const url = new URL(address, location.href);
      for (const name of ["range", "page"]) url.searchParams.delete(name);
      const second = (at) => `${new Date(at).toISOString().slice(0, 19)}Z`;
      const ends = { since: second(since), until: second(until) };
      for (const [name, value] of Object.entries({ ...ends, ...more })) url.searchParams.set(name, value);
      location.assign(url);
    }

    if (spec.params) {
      view.addSignalListener("brush", (_name, value) => {
        stretch = value.at?.length === 2 ? value.at : null;
        hasMoved ||= Boolean(stretch);
      });
      view.container().addEventListener("pointerdown", () => (hasMoved = false));
      window.addEventListener("pointerup", () => {
        const seconds = stretch ? (stretch[1] - stretch[0]) / 1000 : 0;
        if (seconds >= 1 && view.container().isConnected) go(zoom, ...stretch);
      });
    }
    view.addEventListener("click", (_event, item) => {
      const bar = item?.datum;
      if (!bar?.end || hasMoved) return;
      const address = rows[bar.class] || rows.attack;
      go(address, bar.at, bar.end, bar.label ? { label: bar.label } : {});
    });
  }

  function explain(figure, canZoom) {
    const words = document.createElement("p");
    words.className = "chart-note";
    words.textContent = `${canZoom ? "Drag to zoom. " : ""}Click a bar to see its rows.`;
    figure.querySelector("figcaption").append(words);
  }

  function offer(figure, place, title) {
    const tools = document.createElement("p");
    tools.className = "chart-tools";
    for (const kind of ["PNG", "SVG"]) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "button quiet small";
      button.textContent = `Save ${kind}`;
      button.setAttribute("aria-label", `Save ${kind}: ${title}`);
      button.addEventListener("click", () => save(place, title, kind));
      tools.append(button);
    }
    figure.querySelector("figcaption").append(tools);
  }

  async function save(place, title, kind) {
    const { view } = drawn.get(place);
    let blob;
    if (kind === "SVG") {
      blob = new Blob([await view.toSVG()], { type: "image/svg+xml" });
    } else {
      const canvas = await view.toCanvas(2);
      blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
    }
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    const name = title.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");
    link.download = `${name || "chart"}.${kind.toLowerCase()}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  const watcher = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        watcher.unobserve(entry.target);
        draw(entry.target);
      }
    },
    { rootMargin: "400px" },
  );

  function watch(within) {
    for (const spec of within.querySelectorAll("figure script.spec")) {
      watcher.observe(spec.closest("figure").querySelector(".chart"));
    }
  }

  function redraw() {
    for (const [place, made] of drawn) {
      if (place.isConnected) draw(place);
      else {
        made.finalize();
        drawn.delete(place);
      }
    }
  }

  if (!source) return;
  watch(document);
  document.addEventListener("evenflow:theme", redraw);
  document.addEventListener("evenflow:changed", (event) => {
    for (const [place, made] of drawn) {
      if (place.isConnected) continue;
      made.finalize();
      drawn.delete(place);
    }
    watch(event.target);
  });
  window.addEventListener("beforeprint", () => {
    for (const place of document.querySelectorAll(".chart:not(.is-drawn)")) draw(place);
  });
})();
