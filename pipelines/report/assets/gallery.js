"use strict";
// The gallery: filters, pages of cards, and outlines that are drawn when a hop is looked at. Text is only ever set as text.
(() => {
  const source = document.getElementById("data");
  if (!source) return;
  const { questions, pictures } = JSON.parse(source.textContent);
  const PER_PAGE = 24;
  const SVG = "http://www.w3.org/2000/svg";
  const ENDS = ["published", "accepted", "people", "open", "dropped"];
  const BANDS = ["never solved", "hard", "medium", "easy", "always solved", "unknown"];
  const FILTERS = [
    ["ended", "How it ended", ENDS], ["style", "Style"], ["tier", "Tier"], ["n", "Hops"], ["band", "Difficulty", BANDS],
    ["reason", "Drop reason"], ["split", "Split"], ["variant", "Variant"],
  ];
  const ORDERS = {
    "Best mix": null,
    "Hardest first": (a, b) => (a.rate ?? 2) - (b.rate ?? 2),
    "Smallest margin first": (a, b) => a.margin - b.margin,
    "Most hops first": (a, b) => b.n - a.n,
  };
  const chosen = {};
  let order = "Best mix", words = "", page = 0, found = [];

  const make = (tag, options = {}, ...children) => {
    const { attributes = {}, ...own } = options;
    const element = Object.assign(document.createElement(tag), own);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children.filter((child) => child !== null));
    return element;
  };
  const draw = (tag, attributes) => {
    const element = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };

  // The usual order: accepted questions first, and a picture comes round again only when all have had their turn.
  const turns = new Map();
  for (const question of questions) {
    const key = `${question.ended} ${question.p}`;
    question.turn = turns.get(key) ?? 0;
    turns.set(key, question.turn + 1);
  }
  questions.sort((a, b) => ENDS.indexOf(a.ended) - ENDS.indexOf(b.ended) || a.turn - b.turn || a.p - b.p);

  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      seen.unobserve(entry.target);
      entry.target.src = "data:image/webp;base64," + document.getElementById(entry.target.dataset.picture).textContent;
    }
  }, { rootMargin: "600px" });

  const pictureOf = (question) => {
    const picture = pictures[question.p];
    const holds = document.getElementById(`picture-${question.p}`).textContent !== "";
    const image = make("img", { alt: `Picture ${picture.uri}`, width: picture.w, height: picture.h });
    image.dataset.picture = `picture-${question.p}`;
    const overlay = draw("svg", { viewBox: `0 0 ${picture.w} ${picture.h}`, "aria-hidden": "true" });
    const box = make("div", { className: "picture" }, image);
    if (holds) seen.observe(image);
    else {
      image.alt = "";
      image.src = `data:image/svg+xml,%3Csvg xmlns='${SVG}' viewBox='0 0 ${picture.w} ${picture.h}'/%3E`;
      box.append(make("p", { textContent: "The picture is gone or was changed." }));
    }
    box.append(overlay);
    return [box, overlay];
  };

  const light = (overlay, question, hop) => {
    overlay.replaceChildren();
    if (!hop) return;
    const { w, h, paths } = pictures[question.p];
    const shapes = hop.s.map((place) => paths[place]);
    if (!shapes.length) return;
    overlay.append(draw("path", { class: "shade", d: `M0 0h${w}v${h}h${-w}z${shapes.join("")}` }));
    for (const shape of shapes) overlay.append(draw("path", { class: "halo", d: shape }));
    for (const shape of shapes) overlay.append(draw("path", { class: `shape ${styleOf(hop)}`, d: shape }));
  };
  const styleOf = (hop) => (hop.m === "S" ? "hs" : `h${((Number(hop.m) - 1) % 8) + 1}`);

  const hopsOf = (question, overlay) => {
    let pinned = null;
    const buttons = [];
    const list = make("ol", { className: "hops" });
    for (const hop of question.hops) {
      const text = hop.n ? `${hop.t} → ${hop.n}` : hop.t;
      const kind = hop.m === "S" ? "start" : hop.k === "instance_chain" ? "chain" : "perception";
      const button = make("button", { type: "button", className: `hop ${styleOf(hop)}`, attributes: { "aria-pressed": "false" } },
        make("b", { textContent: hop.m }), make("span", { textContent: text }), make("small", { textContent: kind }));
      button.addEventListener("mouseenter", () => light(overlay, question, hop));
      button.addEventListener("mouseleave", () => light(overlay, question, pinned));
      button.addEventListener("focus", () => light(overlay, question, hop));
      button.addEventListener("blur", () => light(overlay, question, pinned));
      button.addEventListener("click", () => {
        pinned = pinned === hop ? null : hop;
        buttons.forEach((other) => other.setAttribute("aria-pressed", String(other === button && pinned === hop)));
        light(overlay, question, pinned ?? hop);
      });
      buttons.push(button);
      list.append(make("li", {}, button));
    }
    return list;
  };

  const tagsOf = (question) => {
    const tries = question.tries ? `solved ${Math.round(question.rate * 100)}% of ${question.tries}` : "";
    const votes = question.votes ? `${question.agree} of ${question.votes} people agree` : "";
    const lost = question.ended === "dropped" ? `dropped: ${question.reason || "by route"}` : question.ended;
    const texts = [question.style, question.variant, question.n === 1 ? "1 hop" : `${question.n} hops`, question.split, question.tier && `tier ${question.tier}`, tries, votes];
    const items = texts.filter(Boolean).map((text) => make("li", { textContent: text }));
    return make("ul", { className: "tags" }, make("li", { className: question.ended === "dropped" ? "lost" : "", textContent: lost }), ...items);
  };

  const detailsOf = (question) => {
    const details = make("details", {}, make("summary", {}, "Proofs and ids", make("span", { className: "hidden", textContent: ` of question ${question.id}` })));
    details.addEventListener("toggle", () => {
      if (details.childElementCount > 1) return;
      const rows = [["margin", `${question.margin} (${question.fact})`], ["luck", String(question.luck)],
        ...question.certificates.map(([name, passed, text]) => [name, `${passed ? "passed" : "FAILED"}. ${text}`]),
        question.why ? [`dropped by ${question.stage}`, question.why] : null,
        ["question", question.id], ["image", pictures[question.p].id], ["file", pictures[question.p].uri]].filter(Boolean);
      details.append(make("dl", {}, ...rows.flatMap(([name, text]) => [make("dt", { textContent: name }), make("dd", { textContent: text })])));
    });
    return details;
  };

  const cardOf = (question) => {
    const [picture, overlay] = pictureOf(question);
    const heading = make("h3", { id: `q-${question.id}`, textContent: question.q });
    const answer = make("p", { className: "answer" }, "Answer", make("strong", { textContent: String(question.a) }));
    const body = make("div", { className: "body" }, heading, hopsOf(question, overlay), answer, tagsOf(question), detailsOf(question));
    return make("article", { className: "card", attributes: { "aria-labelledby": heading.id } }, picture, body);
  };

  const show = () => {
    const cards = document.getElementById("cards");
    const pages = Math.max(1, Math.ceil(found.length / PER_PAGE));
    page = Math.min(page, pages - 1);
    seen.disconnect();
    cards.replaceChildren(...found.slice(page * PER_PAGE, (page + 1) * PER_PAGE).map(cardOf));
    document.getElementById("found").textContent = found.length === 1 ? "1 question" : `${found.length.toLocaleString("en")} questions`;
    const turn = (text, step) => {
      const button = make("button", { type: "button", textContent: text, disabled: page + step < 0 || page + step >= pages });
      button.addEventListener("click", () => {
        page += step;
        show();
        document.getElementById("gallery").scrollIntoView();
        document.querySelector(".hop")?.focus({ preventScroll: true });
      });
      return button;
    };
    document.getElementById("pager").replaceChildren(turn("Previous", -1), make("span", { textContent: `Page ${page + 1} of ${pages}` }), turn("Next", 1));
  };

  const select = () => {
    found = questions.filter((question) => Object.entries(chosen).every(([key, value]) => String(question[key]) === value)
      && (!words || question.q.toLowerCase().includes(words) || question.id.startsWith(words)));
    if (ORDERS[order]) found.sort(ORDERS[order]);
    page = 0;
    show();
  };

  const filters = document.getElementById("filters");
  const field = (text, control) => filters.append(make("label", {}, text, control));
  for (const [key, label, known] of FILTERS) {
    const counts = new Map();
    for (const question of questions) {
      const value = String(question[key]);
      if (value) counts.set(value, (counts.get(value) ?? 0) + 1);
    }
    const values = [...counts.keys()].sort(known ? (a, b) => known.indexOf(a) - known.indexOf(b) : (a, b) => a.localeCompare(b, "en", { numeric: true }));
    const control = make("select", { id: `filter-${key}` }, make("option", { value: "", textContent: "all" }),
      ...values.map((value) => make("option", { value, textContent: `${value} (${counts.get(value).toLocaleString("en")})` })));
    control.addEventListener("change", () => {
      if (control.value) chosen[key] = control.value;
      else delete chosen[key];
      select();
    });
    field(label, control);
  }
  const sort = make("select", { id: "order" }, ...Object.keys(ORDERS).map((name) => make("option", { value: name, textContent: name })));
  sort.addEventListener("change", () => { order = sort.value; select(); });
  field("Order", sort);
  const search = make("input", { type: "search", id: "words" });
  search.addEventListener("input", () => { words = search.value.trim().toLowerCase(); select(); });
  field("Words or id", search);
  select();
  document.documentElement.dataset.ready = "yes";
})();
