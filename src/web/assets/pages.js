// Comfort for people with scripts. Every page works without this file: forms post, the server
// renders.
"use strict";

document.documentElement.classList.add("scripted");

const all = (selector, root = document) => [...root.querySelectorAll(selector)];

// Choices show their page at once.
all("[data-submit]").forEach((field) =>
  field.addEventListener("change", () => field.form.requestSubmit()),
);

all("[data-print]").forEach((button) => {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
});

// Copies a text, and says so for a moment.
async function copy(text, element, told) {
  await navigator.clipboard.writeText(text);
  const before = element.textContent;
  element.textContent = told;
  setTimeout(() => {
    element.textContent = before;
  }, 1500);
}

all("[data-copy-from]").forEach((button) => {
  button.hidden = false;
  const source = document.getElementById(button.dataset.copyFrom);
  button.addEventListener("click", () => copy(source.value, button, button.dataset.copied));
});

// A click on the address of the figures copies it; with a key held down it opens as usual.
all("a[data-copy]").forEach((link) =>
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || !navigator.clipboard) return;
    event.preventDefault();
    copy(link.href, link, link.dataset.copy);
  }),
);

// The chart as a PNG file.
all("[data-png]").forEach((button) => {
  const chart = document.querySelector("[data-chart] svg");
  if (!chart) return;
  button.hidden = false;
  button.addEventListener("click", () => {
    const drawn = new XMLSerializer().serializeToString(chart);
    const picture = new Image();
    picture.onload = () => {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [1600, 640];
      const pen = canvas.getContext("2d");
      pen.fillStyle = "#fff";
      pen.fillRect(0, 0, canvas.width, canvas.height);
      pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
      const link = document.createElement("a");
      link.href = canvas.toDataURL("image/png");
      link.download = "chart.png";
      link.click();
    };
    picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(drawn)}`;
  });
});

// A cursor over charts: the values of all lines at a place. Dragging across places of a history
// shows these months alone; the browser's way back shows the others again.
all("svg.chart").forEach((chart) => {
  const vi = document.documentElement.lang === "vi";
  const names = (chart.dataset.places || "").split("|");
  const [left, right, top, bottom] = (chart.dataset.plot || "").split(" ").map(Number);
  const months = (chart.parentElement.dataset.zoom || "").split(" ").filter(Boolean);
  const width = chart.viewBox.baseVal.width;
  const x = (at) => left + ((right - left) * at) / Math.max(names.length - 1, 1);
  const texts = names.map(() => []);
  const near = (place) =>
    Math.max(0, Math.min(names.length - 1, Math.round(((place - left) / (right - left)) * (names.length - 1))));
  all(".point", chart).forEach((point) => texts[near(point.getAttribute("cx"))].push(point));
  if (names.length < 2) return;

  const shape = (kind, marks) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", kind);
    Object.entries(marks).forEach(([name, value]) => made.setAttribute(name, value));
    chart.append(made);
    return made;
  };
  const span = shape("rect", { class: "span", y: top, height: bottom - top, width: 0 });
  const line = shape("line", { class: "cursor", y1: top, y2: bottom });
  const box = document.createElement("div");
  box.className = "cursor-box";
  box.setAttribute("role", "status");
  box.hidden = true;
  chart.after(box);
  chart.parentElement.classList.add("charted");
  chart.setAttribute("tabindex", "0");
  let [at, from] = [null, null];

  function show(place) {
    at = place;
    line.setAttribute("x1", x(place));
    line.setAttribute("x2", x(place));
    line.classList.add("shown");
    box.replaceChildren();
    const points = texts[place];
    const rows = points.length
      ? points.map((point) => [point.parentNode.getAttribute("fill"), point.textContent])
      : [[null, `${names[place]}: ${vi ? "không có số" : "no figure"}`]];
    rows.forEach(([colour, text]) => {
      const row = document.createElement("div");
      row.textContent = text;
      if (colour) row.style.borderLeftColor = colour;
      box.append(row);
    });
    box.hidden = false;
    const share = x(place) / width;
    box.style.left = share < 0.6 ? `${share * 100}%` : "";
    box.style.right = share < 0.6 ? "" : `${(1 - share) * 100}%`;
    const [first, last] = from === null ? [0, 0] : [Math.min(from, place), Math.max(from, place)];
    span.setAttribute("x", x(first));
    span.setAttribute("width", x(last) - x(first));
  }
  function hide() {
    from = null;
    box.hidden = true;
    line.classList.remove("shown");
    span.setAttribute("width", 0);
  }
  function zoom(one, other) {
    const [first, last] = [Math.min(one, other), Math.max(one, other)];
    const address = new URL(location.href);
    address.searchParams.set("to", months[last]);
    address.searchParams.set("months", (last - first + 1) * Number(chart.parentElement.dataset.step));
    location.assign(address);
  }
  const place = (event) => {
    const area = chart.getBoundingClientRect();
    return near(((event.clientX - area.left) / area.width) * width);
  };
  chart.addEventListener("pointermove", (event) => show(place(event)));
  chart.addEventListener("pointerleave", hide);
  chart.addEventListener("blur", hide);
  chart.addEventListener("pointerdown", (event) => {
    if (months.length) from = place(event);
  });
  chart.addEventListener("pointerup", (event) => {
    const to = place(event);
    if (from !== null && to !== from) zoom(from, to);
    from = null;
  });
  // With keys: arrows move the cursor, with Shift they choose months, Enter shows these.
  chart.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Escape") hide();
    if (event.key === "Enter" && from !== null && from !== at) zoom(from, at);
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const last = names.length - 1;
    const start = at === null ? (step > 0 ? -1 : last + 1) : at;
    if (!event.shiftKey) from = null;
    else if (from === null && months.length) from = Math.max(0, Math.min(last, start));
    show(Math.max(0, Math.min(last, start + step)));
  });
});

// The months can be changed with the arrow keys, outside of fields and of tables that scroll.
document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
  if (event.target.closest(".scroll")) return;
  const way = { ArrowLeft: "prev", ArrowRight: "next" }[event.key];
  const link = way && document.querySelector(`a.step[rel=${way}]`);
  if (link) link.click();
});

// A file can be dropped anywhere on its form.
all("[data-drop]").forEach((form) => {
  const file = form.querySelector("input[type=file]");
  ["dragover", "dragleave", "drop"].forEach((kind) =>
    form.addEventListener(kind, (event) => {
      event.preventDefault();
      form.classList.toggle("dragged", kind === "dragover");
      if (kind === "drop" && event.dataTransfer.files.length) {
        file.files = event.dataTransfer.files;
        form.requestSubmit();
      }
    }),
  );
});

// A number in the text of a report and its line in the list show each other.
all(".mark, ol.numbers li").forEach((one) => {
  const other = document.getElementById((one.id[0] === "n" ? "f" : "n") + one.id.slice(1));
  if (!other) return;
  const link = (on) => () => other.classList.toggle("linked", on);
  one.addEventListener("pointerenter", link(true));
  one.addEventListener("pointerleave", link(false));
  one.addEventListener("focusin", () => {
    link(true)();
    // Only its own part scrolls: the page must not move under the pointer.
    const part = other.closest("section");
    part.scrollTop = other.offsetTop - part.clientHeight / 3;
  });
  one.addEventListener("focusout", link(false));
});

// Entering figures: checks on leaving a field, arrow keys, a pasted column, a draft that survives a
// lost network.
all("[data-entry]").forEach((form) => {
  const fields = all("[data-figure]", form);
  const saved = form.querySelector("[data-saved]");
  const progress = document.querySelector("[data-progress]");
  const kept = form.dataset.entry;
  const typed = () => Object.fromEntries(fields.map((field) => [field.name, field.value]));
  let sent = JSON.stringify(typed());

  // What was typed while the network or the session was lost.
  const lost = JSON.parse(localStorage.getItem(kept) || "null");
  if (lost) {
    fields.forEach((field) => {
      if (lost[field.name] !== undefined) field.value = lost[field.name];
    });
  }

  function show(checked) {
    fields.forEach((field) => {
      const row = checked.rows[field.name.replace("figure:", "")];
      if (!row) return;
      const line = field.closest("tr");
      const note = line.querySelector("[data-note]");
      line.querySelector("[data-change]").textContent = row.change;
      field.className = row.level;
      field.toggleAttribute("aria-invalid", row.level === "bad");
      if (row.level === "bad") field.setAttribute("aria-invalid", "true");
      note.className = `note ${row.level}`;
      note.textContent = row.message;
    });
    checked.kpis.forEach((kpi) => {
      const line = form.querySelector(`[data-kpi="${kpi.code}"]`);
      if (!line) return;
      line.querySelector("[data-value]").textContent = kpi.value;
      line.querySelector("[data-change]").textContent = kpi.change;
    });
    saved.textContent = checked.saved;
  }

  // How many of the due figures are there.
  function count() {
    if (!progress) return;
    const due = fields.filter((field) => field.dataset.due !== undefined);
    const there = due.filter((field) => field.value.trim() !== "").length;
    progress.textContent = progress.textContent.replace(/^\s*\d+/, String(there));
    progress.className = `badge ${there < due.length ? "fair" : "good"}`;
  }

  // One check at a time, so that an earlier answer never follows a later one.
  let checking = false;
  async function check() {
    count();
    const now = JSON.stringify(typed());
    if (now === sent) return;
    localStorage.setItem(kept, now);
    if (checking) return;
    checking = true;
    let done = false;
    try {
      const answer = await fetch("/entry/check", {
        method: "POST",
        headers: { Accept: "application/json" },
        body: new URLSearchParams(new FormData(form)),
      });
      if (!answer.ok) throw new Error(String(answer.status));
      show(await answer.json());
      sent = now;
      done = true;
      if (localStorage.getItem(kept) === now) localStorage.removeItem(kept);
    } catch (error) {
      const vi = document.documentElement.lang === "vi";
      saved.textContent = vi
        ? "Mất kết nối hoặc hết phiên: số đã gõ được giữ trong trình duyệt này."
        : "No connection, or signed out: what you typed is kept in this browser.";
    }
    checking = false;
    if (done) check();
  }

  fields.forEach((field, place) => {
    field.addEventListener("change", check);
    field.addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1, Enter: 1 }[event.key];
      const next = step && fields[place + step];
      if (!next) return;
      event.preventDefault();
      next.focus();
      next.select();
    });
    field.addEventListener("paste", (event) => {
      const lines = event.clipboardData.getData("text").replace(/\r?\n$/, "").split(/\r?\n/);
      if (lines.length < 2) return;
      event.preventDefault();
      lines.forEach((line, n) => {
        if (fields[place + n]) fields[place + n].value = line.split("\t")[0].trim();
      });
      check();
    });
  });
  if (lost) check();
});

// The server has what was typed: the browser need not keep it any more.
all("[data-clear]").forEach((element) => localStorage.removeItem(element.dataset.clear));

// Nothing of a person stays in a browser that others use.
all("form[action='/sign-out']").forEach((form) =>
  form.addEventListener("submit", () =>
    Object.keys(localStorage)
      .filter((name) => name.startsWith("entry "))
      .forEach((name) => localStorage.removeItem(name)),
  ),
);
