"use strict";
document.documentElement.classList.add("js");
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const one = (selector, root = document) => root.querySelector(selector);

  // Slices: filter and sort the table.
  const sliceTable = one("#slice-table tbody");
  if (sliceTable) {
    const listed = all("tr", sliceTable);
    const selects = all("[data-slice]");
    const show = () => {
      const wanted = Object.fromEntries(selects.map((select) => [select.dataset.slice, select.value]));
      const order = wanted.sort
        ? [...listed].sort((a, b) => Number(b.dataset[wanted.sort]) - Number(a.dataset[wanted.sort]))
        : listed;
      sliceTable.append(...order);
      let shown = 0;
      for (const row of listed) {
        const matches =
          (!wanted.attributes || JSON.parse(row.dataset.attributes).includes(wanted.attributes)) &&
          (!wanted.type || row.dataset.type === wanted.type);
        row.hidden = !matches;
        shown += matches;
      }
      one("#slice-count").textContent = `${shown} of ${listed.length} slices`;
    };
    for (const select of selects) select.addEventListener("change", show);
    show();
  }

  // Failures: filter, sort, enlarge.
  const grid = one("#cards");
  if (!grid) return;
  const cards = all(".card", grid);
  const filters = all("[data-filter]");
  const sort = one("[data-sort]");
  const keys = {
    loss: (card) => Number(card.dataset.rank),
    confidence: (card) => -Number(card.dataset.confidence),
    unsure: (card) => Number(card.dataset.confidence),
  };
  let visible = cards;

  // Failures on other pages: the report knows their filters' values, and can link to the pages that they are on.
  const indexText = one("#index");
  const index = indexText ? JSON.parse(indexText.textContent) : null;
  const chosen = () => filters.filter((select) => select.value).map((select) => [select.dataset.filter, select.value]);
  const listOtherPages = () => {
    const note = one("#other-pages");
    if (!index) return;
    const wanted = chosen().map(([name, value]) => [index.names.indexOf(name), value]);
    const found = new Map();
    index.rows.forEach((row, place) => {
      if (place < index.first) return;
      const values = row.split("|");
      if (wanted.every(([column, value]) => values[column].split(" ").includes(value))) {
        const page = Math.floor((place - index.first) / index.size) + 2;
        found.set(page, (found.get(page) || 0) + 1);
      }
    });
    const query = chosen().map(([name, value]) => `${name}=${value}`).join("&");
    note.replaceChildren("On other pages: ");
    for (const [page, count] of found) {
      const link = document.createElement("a");
      link.href = `${index.folder}/page-${page}.html${query ? `#where:${query}` : ""}`;
      link.textContent = `page ${page} (${count})`;
      note.append(link, " ");
    }
    note.hidden = found.size === 0;
  };

  const apply = () => {
    const ordered = [...cards].sort((a, b) => keys[sort.value](a) - keys[sort.value](b));
    grid.append(...ordered);
    for (const card of ordered) {
      card.hidden = !filters.every(
        (select) => !select.value || (card.getAttribute(`data-${select.dataset.filter}`) || "").split(" ").includes(select.value),
      );
    }
    visible = ordered.filter((card) => !card.hidden);
    one("#failure-count").textContent = `${visible.length} of ${cards.length} failures`;
    listOtherPages();
  };
  const updateAddress = () => {
    const query = chosen().map(([name, value]) => `${name}=${value}`).join("&");
    history.replaceState(null, "", query ? `#where:${query}` : "#failures");
  };
  const choose = (values) => {
    for (const select of filters) select.value = values[select.dataset.filter] ?? "";
    apply();
  };
  for (const select of filters) select.addEventListener("change", () => { apply(); updateAddress(); });
  sort.addEventListener("change", apply);
  one("#reset").addEventListener("click", () => { choose({}); updateAddress(); });
  for (const link of all("a[data-predicted]")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      location.hash = `where:label=${link.dataset.label}&predicted=${link.dataset.predicted}`;
    });
  }
  for (const link of all("a[data-finding-filter]")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      location.hash = `where:finding=${link.dataset.findingFilter}`;
    });
  }

  const viewer = one("#viewer");
  const stack = one("#viewer-stack");
  const fade = one("#viewer-fade");
  const choices = one("#viewer-choices");
  let current = null;
  let shownMap = "cam-predicted";

  const image = (source) => {
    const copy = new Image();
    copy.src = source.src;
    copy.alt = source.alt;
    return copy;
  };
  const paneType = (pane) => [...pane.classList].find((name) => name.startsWith("pane-")).slice(5);
  const draw = () => {
    const panes = all(".pane", current);
    const base = panes.find((pane) => paneType(pane) === "image");
    const over = panes.find((pane) => paneType(pane) === shownMap) ?? panes[1] ?? base;
    const map = image(one("img", over));
    map.style.opacity = Number(fade.value) / 100;
    stack.replaceChildren(image(one("img", base)), ...(over === base ? [] : [map]));
    one("#viewer-alt").textContent = one("img", over).alt;
    fade.disabled = over === base;
    for (const button of all("button", choices)) {
      button.setAttribute("aria-pressed", String(button.dataset.type === paneType(over)));
    }
  };
  const open = (card) => {
    current = card;
    one("#viewer-text").replaceChildren(...[...one("p", card).childNodes].map((node) => {
      const copy = node.cloneNode(true);
      if (copy.classList && copy.classList.contains("open")) {
        const plain = document.createElement("span");
        plain.append(...copy.childNodes);
        return plain;
      }
      return copy;
    }));
    choices.replaceChildren(...all(".pane", card).map((pane) => {
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.type = paneType(pane);
      const small = image(one("img", pane));
      small.alt = "";
      const text = document.createElement("span");
      text.append(...one("figcaption", pane).cloneNode(true).childNodes);
      button.append(small, text);
      button.addEventListener("click", () => { shownMap = button.dataset.type; fade.value = 100; draw(); });
      return button;
    }));
    draw();
    if (!viewer.open) viewer.showModal();
  };
  const step = (by) => {
    const place = visible.indexOf(current);
    const next = visible[(place + by + visible.length) % visible.length];
    if (next) history.replaceState(null, "", `#${next.id}`), open(next);
  };
  const follow = () => {
    if (location.hash.startsWith("#where:")) {
      choose(Object.fromEntries(new URLSearchParams(location.hash.slice(7))));
      one("#failures").scrollIntoView();
      return;
    }
    const card = location.hash.startsWith("#sample-") ? document.getElementById(location.hash.slice(1)) : null;
    if (card && grid.contains(card)) open(card);
    else if (viewer.open) viewer.close();
  };
  grid.addEventListener("click", (event) => {
    const link = event.target.closest("a.open");
    if (!link) return;
    event.preventDefault();
    history.pushState(null, "", link.getAttribute("href"));
    open(link.closest(".card"));
  });
  fade.addEventListener("input", draw);
  one("#viewer-back").addEventListener("click", () => step(-1));
  one("#viewer-on").addEventListener("click", () => step(1));
  one("#viewer-close").addEventListener("click", () => viewer.close());
  viewer.addEventListener("click", (event) => { if (event.target === viewer) viewer.close(); });
  viewer.addEventListener("keydown", (event) => {
    if (event.target === fade) return;
    if (event.key === "ArrowLeft") step(-1);
    if (event.key === "ArrowRight") step(1);
  });
  viewer.addEventListener("close", () => {
    history.replaceState(null, "", "#failures");
    const link = current && one("a.open", current);
    if (link) link.focus();
  });
  window.addEventListener("hashchange", follow);
  apply();
  follow();
})();
