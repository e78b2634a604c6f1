"use strict";
// Marks tables that are wider than the page.
(() => {
  const regions = document.querySelectorAll(".scroll");
  const mark = () => regions.forEach((one) => one.classList.toggle("wide", one.scrollWidth > one.clientWidth + 1));
  addEventListener("resize", mark);
  document.addEventListener("toggle", mark, true);
  mark();
})();
// Shows one user at a time; without this script all users are shown, one below the other.
(() => {
  const pick = document.getElementById("pick");
  if (!pick) return;
  const users = new Map([...document.querySelectorAll("[data-user]")].map((one) => [one.dataset.user, one]));
  const show = () => {
    for (const [id, one] of users) one.hidden = id !== pick.value;
    document.getElementById("where").textContent = `${pick.selectedIndex + 1} of ${pick.length}`;
  };
  const step = (by) => {
    pick.selectedIndex = (pick.selectedIndex + by + pick.length) % pick.length;
    show();
  };
  pick.addEventListener("change", show);
  document.getElementById("before").addEventListener("click", () => step(-1));
  document.getElementById("after").addEventListener("click", () => step(1));
  const linked = location.hash.replace("#user-", "");
  if (users.has(linked)) pick.value = linked;
  document.querySelector(".picker").hidden = false;
  show();
})();
