"use strict";
// Marks tables that are wider than the page.
(() => {
  const regions = document.querySelectorAll(".scroll");
  const mark = () => regions.forEach((one) => one.classList.toggle("wide", one.scrollWidth > one.clientWidth + 1));
  addEventListener("resize", mark);
  document.addEventListener("toggle", mark, true);
  mark();
})();
// In each section with a picker, shows one user at a time; without this script all users are below each other.
for (const picker of document.querySelectorAll(".picker")) {
  const pick = picker.querySelector("select");
  const users = new Map([...picker.parentElement.querySelectorAll("[data-user]")].map((one) => [one.dataset.user, one]));
  const show = () => {
    for (const [id, one] of users) one.hidden = id !== pick.value;
    picker.querySelector(".where").textContent = `${pick.selectedIndex + 1} of ${pick.length}`;
  };
  pick.addEventListener("change", show);
  for (const button of picker.querySelectorAll("[data-step]")) {
    button.addEventListener("click", () => {
      pick.selectedIndex = (pick.selectedIndex + Number(button.dataset.step) + pick.length) % pick.length;
      show();
    });
  }
  const linked = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (linked && users.get(linked.dataset.user) === linked) pick.value = linked.dataset.user;
  picker.hidden = false;
  show();
}
