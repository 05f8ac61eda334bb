"use strict";
document.documentElement.classList.add("js");
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const one = (selector, root = document) => root.querySelector(selector);

  // The address: filters and tables that need this script have just changed the height of the page, so
  // that what the browser scrolled to has moved. Once the page is open, all cards are laid out, and only
  // then is scrolling smooth: a link stops where its goal was when the scrolling began.
  const toAddress = () => {
    const goal = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (goal && !goal.classList.contains("card")) goal.scrollIntoView({ behavior: "instant" });
  };
  window.addEventListener("load", () => {
    setTimeout(() => {
      document.documentElement.classList.add("ready");
      toAddress();
    });
  });

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
  const rank = new Map(cards.map((card, place) => [card, place]));  // the highest loss comes first
  const filters = all("[data-filter]");
  const sort = one("[data-sort]");
  const keys = {
    loss: (card) => rank.get(card),
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

  // A selection of failures, and its export.
  const picked = new Set();
  const text = (selector, root) => (one(selector, root) ? one(selector, root).textContent : "");
  const className = (position) => one("[data-filter=label]").options[Number(position) + 1].textContent;
  const showPicked = () => {
    for (const card of cards) {
      card.classList.toggle("picked-card", picked.has(card));
      one(".pick input", card).checked = picked.has(card);
    }
    one("#picked-count").textContent = picked.size ? `${picked.size} selected` : "None selected";
    one("#pick-none").disabled = one("#pick-export").disabled = !picked.size;
    if (!current) return;
    one("#viewer-pick").setAttribute("aria-pressed", String(picked.has(current)));
  };
  const pick = (card, wanted = !picked.has(card)) => {
    if (wanted) picked.add(card);
    else picked.delete(card);
    showPicked();
  };
  const attributeNames = JSON.parse(grid.dataset.attributes);
  // A text that a spreadsheet would take for a formula gets an apostrophe, as in the CSV files of a run.
  const cell = (value) => `"${(/^[=+\-@\t\r]/.test(value) ? "'" : "") + value.replaceAll('"', '""')}"`;
  const csv = () => {
    const head = ["sample", "label", "predicted", "confidence", ...attributeNames];
    const rows = cards.filter((card) => picked.has(card)).map((card) => [
      text(".sample", card), className(card.dataset.label), className(card.dataset.predicted), card.dataset.confidence,
      ...all(".values b", card).map((value) => value.textContent),
    ]);
    return [head, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
  };
  for (const card of cards) {
    const label = document.createElement("label");
    label.className = "pick";
    const box = document.createElement("input");
    box.type = "checkbox";
    box.setAttribute("aria-label", `Select ${text(".sample", card)}`);
    box.addEventListener("change", () => pick(card, box.checked));
    label.append(box);
    card.append(label);
  }
  one("#pick-shown").addEventListener("click", () => { visible.forEach((card) => picked.add(card)); showPicked(); });
  one("#pick-none").addEventListener("click", () => { picked.clear(); showPicked(); });
  one("#pick-export").addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(["\ufeff", csv()], { type: "text/csv" }));
    link.download = "failures.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });

  // One failure, enlarged.
  const viewer = one("#viewer");
  const stack = one("#viewer-stack");
  const fade = one("#viewer-fade");
  const choices = one("#viewer-choices");
  const zooms = [100, 150, 200, 300, 400, 600];
  let current = null;
  let shownMap = "cam-predicted";
  let zoom = 0;
  let goal = "";

  const make = (tag, content = "", properties = {}) =>
    Object.assign(document.createElement(tag), { textContent: content }, properties);
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
  const enlarge = (by) => {
    const frame = one("#viewer-frame");
    const middle = [(frame.scrollLeft + frame.clientWidth / 2) / frame.scrollWidth, (frame.scrollTop + frame.clientHeight / 2) / frame.scrollHeight];
    if (zoom === 0) frame.style.height = by ? `${frame.clientHeight}px` : "";
    zoom = by ? Math.min(Math.max(zoom + by, 0), zooms.length - 1) : 0;
    if (zoom === 0) frame.style.height = "";
    stack.style.width = `${zooms[zoom]}%`;
    one("#viewer-zoom").textContent = `${zooms[zoom]}\u202f%`;
    one("#viewer-out").disabled = zoom === 0;
    one("#viewer-in").disabled = zoom === zooms.length - 1;
    frame.scrollLeft = middle[0] * frame.scrollWidth - frame.clientWidth / 2;
    frame.scrollTop = middle[1] * frame.scrollHeight - frame.clientHeight / 2;
  };
  const percent = (value) => (value > 0 && value < 0.001 ? "<\u202f0.1" : (100 * value).toFixed(1)) + "\u202f%";
  const facts = (card) => {
    const parts = [];
    const shares = card.dataset.p ? card.dataset.p.split(" ").map((entry) => entry.split(":")) : [];
    if (shares.length) parts.push(make("h2", "Class probabilities"));
    for (const [position, value] of shares) {
      const row = make("div", "", { className: "probability" });
      const bar = make("i");
      bar.style.setProperty("--value", `${100 * Number(value)}%`);
      const role = position === card.dataset.label ? " (label)" : position === card.dataset.predicted ? " (predicted)" : "";
      row.append(make("span", className(position) + role), make("span", percent(Number(value))), bar);
      parts.push(row);
    }
    parts.push(make("h2", "Findings that name it"));
    const options = [...one("[data-filter=finding]").options];
    const list = make("ul");
    for (const anchor of (card.dataset.finding || "").split(" ").filter(Boolean)) {
      const link = make("a", options.find((option) => option.value === anchor).textContent, { href: `${grid.dataset.report}#${anchor}` });
      link.addEventListener("click", (event) => {
        if (grid.dataset.report) return;
        event.preventDefault();
        goal = `#${anchor}`;
        viewer.close();
      });
      const item = make("li");
      item.append(link);
      list.append(item);
    }
    parts.push(list.children.length ? list : make("p", "None.", { className: "small muted" }));
    return parts;
  };
  const open = (card) => {
    current = card;
    one("#viewer-text").replaceChildren(...[...one("p:not(.empty-map)", card).childNodes].map((node) => {
      const copy = node.cloneNode(true);
      if (copy.classList && copy.classList.contains("open")) {
        const plain = document.createElement("span");
        plain.append(...copy.childNodes);
        return plain;
      }
      return copy;
    }));
    choices.replaceChildren(...all(".pane, .empty-map", card).map((pane) => {
      if (pane.classList.contains("empty-map")) return pane.cloneNode(true);
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.type = paneType(pane);
      const small = image(one("img", pane));
      small.alt = "";
      const caption = document.createElement("span");
      caption.append(...one("figcaption", pane).cloneNode(true).childNodes);
      button.append(small, caption);
      button.addEventListener("click", () => { shownMap = button.dataset.type; fade.value = 100; draw(); });
      return button;
    }));
    one("#viewer-facts").replaceChildren(...facts(card));
    const place = visible.indexOf(card);
    one("#viewer-place").textContent = place < 0 ? "" : `${place + 1} of ${visible.length}`;
    draw();
    showPicked();
    if (!viewer.open) { viewer.showModal(); enlarge(0); }
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
  one("#viewer-in").addEventListener("click", () => enlarge(1));
  one("#viewer-out").addEventListener("click", () => enlarge(-1));
  one("#viewer-pick").addEventListener("click", () => pick(current));
  one("#viewer-close").addEventListener("click", () => viewer.close());
  viewer.addEventListener("click", (event) => { if (event.target === viewer) viewer.close(); });
  const keysOfViewer = { ArrowLeft: () => step(-1), ArrowRight: () => step(1), "+": () => enlarge(1), "-": () => enlarge(-1), s: () => pick(current) };
  viewer.addEventListener("keydown", (event) => {
    const scrolls = event.target.id === "viewer-frame" && zoom > 0;
    if (event.target === fade || event.ctrlKey || event.metaKey || (scrolls && event.key.startsWith("Arrow"))) return;
    if (keysOfViewer[event.key]) keysOfViewer[event.key]();
  });
  viewer.addEventListener("close", () => {
    if (goal) {
      location.hash = goal;
      goal = "";
      return;
    }
    history.replaceState(null, "", "#failures");
    const link = current && one("a.open", current);
    if (link) link.focus();
  });
  window.addEventListener("hashchange", follow);
  apply();
  follow();
  toAddress();
})();
