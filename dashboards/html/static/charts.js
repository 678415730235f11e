"use strict";
// Draws every chart of the page from the specification in its own attribute, and again if that
// has changed. What is drawn follows the width of its place.
(() => {
  const drawn = new WeakMap();
  const config = {
    background: null,
    font: "system-ui, sans-serif",
    view: { stroke: null },
    axis: {
      labelColor: "currentColor",
      titleColor: "currentColor",
      tickColor: "currentColor",
      domainColor: "currentColor",
      gridColor: "currentColor",
      gridOpacity: 0.12,
      labelFontSize: 11,
      titleFontWeight: "normal",
    },
    legend: { labelColor: "currentColor", titleColor: "currentColor", symbolStrokeColor: "currentColor" },
    text: { color: "currentColor" },
  };
  const options = {
    mode: "vega-lite",
    renderer: "svg",
    actions: false,
    // No code is made of text, so that the page can forbid it.
    ast: true,
    defaultStyle: false,
    tooltip: false,
    config,
  };

  async function draw(figure) {
    const text = figure.dataset.spec;
    const old = drawn.get(figure);
    if (old && old.text === text) return;
    const entry = { text, view: null };
    drawn.set(figure, entry);
    const place = figure.querySelector(".plot");
    try {
      const made = await vegaEmbed(place, JSON.parse(text), options);
      entry.view = made;
      old?.view?.finalize();
      figure.dataset.drawn = "yes";
    } catch (error) {
      place.textContent = "The chart could not be drawn; its numbers stand in the table.";
      console.error(error);
    }
  }

  function drawAll() {
    document.querySelectorAll("figure.chart").forEach(draw);
  }

  document.addEventListener("DOMContentLoaded", drawAll);
  document.addEventListener("htmx:after:swap", drawAll);
  function tell(isSilent) {
    const place = document.getElementById("silence");
    if (place && place.hidden === isSilent) place.hidden = !isSilent;
  }

  document.addEventListener("htmx:after:request", (event) => {
    tell((event.detail.ctx?.response?.status ?? 500) >= 400);
  });
  document.addEventListener("htmx:error", () => tell(true));
  document.addEventListener("change", (event) => {
    if (event.target.matches("select[data-sends]")) event.target.form.requestSubmit();
  });
})();
