"use strict";
// Shows one person at a time; without this script all of them stand one below the other.
(() => {
  const pick = document.getElementById("pick");
  if (!pick) return;
  const people = new Map([...document.querySelectorAll("[data-person]")].map((one) => [one.dataset.person, one]));
  const show = () => {
    for (const [id, one] of people) one.hidden = id !== pick.value;
    document.getElementById("where").textContent = `${pick.selectedIndex + 1} of ${pick.length}`;
  };
  const step = (by) => {
    pick.selectedIndex = (pick.selectedIndex + by + pick.length) % pick.length;
    show();
  };
  pick.addEventListener("change", show);
  document.getElementById("before").addEventListener("click", () => step(-1));
  document.getElementById("after").addEventListener("click", () => step(1));
  const linked = location.hash.replace("#person-", "");
  if (people.has(linked)) pick.value = linked;
  document.querySelector(".picker").hidden = false;
  show();
})();
