"use strict";
(() => {
  const tip = document.getElementById("tip");
  const [head, body] = tip.children;

  // Beside the point, but never outside the window.
  const show = (x, y, text, title = "") => {
    head.textContent = title;
    body.textContent = text;
    tip.hidden = false;
    const { width, height } = tip.getBoundingClientRect();
    const room = document.documentElement.clientWidth;
    const left = Math.min(Math.max(8, x - width / 2), room - width - 8);
    const top = y - height - 14 > 8 ? y - height - 14 : y + 18;
    tip.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  };
  const hide = () => { tip.hidden = true; };

  const tell = (target) => {
    const box = (target.querySelector(".value") ?? target).getBoundingClientRect();
    show(box.left + box.width / 2, box.top, target.dataset.tip);
  };
  const about = (event) => {
    const target = event.target.closest?.("[data-tip]");
    if (target) tell(target);
  };
  document.addEventListener("pointerover", about);
  document.addEventListener("focusin", about);
  document.addEventListener("pointerout", hide);
  document.addEventListener("focusout", hide);
  // What was reached by the keyboard keeps its tip while the page scrolls to it.
  let follow = () => {
    const target = document.activeElement;
    if (!tip.hidden && target.dataset.tip === body.textContent) tell(target); else hide();
  };
  document.addEventListener("scroll", () => follow(), { passive: true, capture: true });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });

  // The map: the point nearest to the pointer, or the next one in an arrow's direction, says what it is.
  const map = document.getElementById("dots");
  if (map) {
    const { texts, routes, names, outside } = JSON.parse(document.getElementById("spots").textContent);
    const dots = [...map.querySelectorAll(".d")];
    const places = dots.map((dot) => {
      const box = dot.getBBox();
      return [box.x + box.width / 2, box.y + box.height / 2];
    });
    const ring = map.querySelector(".ring");
    const spoken = document.getElementById("spoken");
    const picked = new Set();
    let current = -1;

    const seen = (n) => picked.size === 0 || picked.has(routes[n]);
    const point = (n) => {
      current = n;
      const [x, y] = places[n];
      ring.setAttribute("cx", x);
      ring.setAttribute("cy", y);
      ring.removeAttribute("hidden");
      const at = new DOMPoint(x, y).matrixTransform(map.getScreenCTM());
      show(at.x, at.y, texts[n], routes[n] < 0 ? outside : names[routes[n]]);
    };
    const leave = () => { ring.setAttribute("hidden", ""); hide(); };
    const best = (cost) => {
      let found = -1, least = Infinity;
      places.forEach((place, n) => {
        const value = seen(n) ? cost(place, n) : Infinity;
        if (value < least) [found, least] = [n, value];
      });
      return [found, least];
    };
    const near = (event) => {
      const matrix = map.getScreenCTM();
      const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix.inverse());
      const [found, distance] = best(([x, y]) => Math.hypot(x - at.x, y - at.y));
      const reach = (event.pointerType === "mouse" ? 16 : 28) / matrix.a;
      if (found >= 0 && distance <= reach) point(found); else leave();
    };
    map.addEventListener("pointermove", near);
    map.addEventListener("click", near);
    map.addEventListener("pointerleave", leave);
    map.addEventListener("blur", leave);

    const directions = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };
    map.addEventListener("keydown", (event) => {
      const direction = directions[event.key];
      if (!direction) return;
      event.preventDefault();
      const [dx, dy] = direction;
      const from = current < 0 || !seen(current) ? [500, 300] : places[current];
      const [next] = best(([x, y], n) => {
        const along = (x - from[0]) * dx + (y - from[1]) * dy;
        const aside = Math.abs((x - from[0]) * dy) + Math.abs((y - from[1]) * dx);
        return n !== current && along > 0 && along >= aside ? along + 2 * aside : Infinity;
      });
      if (next < 0) return;
      point(next);
      spoken.textContent = `${head.textContent}: ${body.textContent}`;
    });
    const others = follow;
    follow = () => { if (!tip.hidden && document.activeElement === map && current >= 0) point(current); else others(); };

    for (const key of document.querySelectorAll(".key")) {
      key.addEventListener("click", () => {
        const route = Number(key.dataset.route);
        if (!picked.delete(route)) picked.add(route);
        key.setAttribute("aria-pressed", String(picked.has(route)));
        map.classList.toggle("picked", picked.size > 0);
        dots.forEach((dot, n) => dot.classList.toggle("dim", !seen(n)));
      });
    }
  }

  // Routes: found by their names and texts, and opened by a link to them.
  const filter = document.getElementById("filter");
  const found = document.getElementById("found");
  const cards = [...document.querySelectorAll("details.route")];
  let words = null;
  filter.addEventListener("input", () => {
    words ??= cards.map((card) => card.textContent.toLowerCase());
    const wanted = filter.value.trim().toLowerCase();
    cards.forEach((card, n) => { card.hidden = !words[n].includes(wanted); });
    const left = cards.filter((card) => !card.hidden).length;
    found.textContent = wanted ? `${left} of ${cards.length}` : "";
  });
  const open = () => {
    const card = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (card?.matches("details.route")) {
      card.hidden = false;
      card.open = true;
      card.scrollIntoView();
    }
  };
  addEventListener("hashchange", open);
  open();
})();
