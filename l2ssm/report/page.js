// Puts an interactive figure in the place of every still picture; if anything fails, the still pictures stay.
(async () => {
  "use strict";
  const text = (id) => document.getElementById(id).textContent;
  const drawings = JSON.parse(text("drawings"));
  const packed = Uint8Array.from(atob(text("plotly")), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const library = document.createElement("script");
  library.textContent = await new Response(stream).text();
  document.head.append(library);

  const BUTTONS = 26; // pixels of the row of buttons, above the legend

  // As wide as there is room, but legible; as high as the legend, once it is drawn, needs above the panels.
  const sized = (home, { layout, least }) => {
    const width = Math.min(layout.width, Math.max(home.parentElement.clientWidth, least));
    const titled = layout.annotations.some((note) => note.yanchor === "bottom");
    const legend = Number(home.querySelector(".legend > .bg")?.getAttribute("height") ?? 0);
    const top = BUTTONS + legend + (titled ? 22 : 6);
    const height = layout.height - layout.margin.t + top;
    return { width, height, "margin.t": top, "legend.y": 1 - BUTTONS / height };
  };

  const touch = window.matchMedia("(pointer: coarse)").matches;
  const buttons = ["toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"];
  const config = { displaylogo: false, modeBarButtons: [buttons] }; // none that sends anything
  for (const home of document.querySelectorAll(".plot")) {
    const drawing = drawings[Number(home.dataset.drawing)];
    const picture = home.querySelector("img");
    const figure = home.appendChild(document.createElement("div"));
    figure.setAttribute("role", "img");
    figure.setAttribute("aria-label", picture.alt);
    const { width, height, "margin.t": t, "legend.y": y } = sized(home, drawing);
    const [margin, legend] = [{ ...drawing.layout.margin, t }, { ...drawing.layout.legend, y }];
    const layout = { ...drawing.layout, width, height, margin, legend, dragmode: touch ? false : "zoom" };
    await Plotly.newPlot(figure, drawing.data, layout, config);
    await Plotly.relayout(figure, sized(home, drawing));
    home.classList.add("drawn");
    window.addEventListener("resize", async () => {
      await Plotly.relayout(figure, sized(home, drawing)); // another width: the legend breaks into other rows
      await Plotly.relayout(figure, sized(home, drawing));
    });
  }
  document.documentElement.dataset.figures = "drawn";
})().catch((error) => console.error("the figures stay still:", error));
