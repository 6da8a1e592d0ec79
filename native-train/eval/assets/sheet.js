// Shows the cards that the fields choose. Without scripts all are shown.
const form = document.querySelector(".filters");
const cards = [...document.querySelectorAll("article")];
const choose = () => {
  const most = form.most.value === "" ? 100 : Number(form.most.value);
  const words = form.words.value.toLowerCase().split(" ");
  for (const card of cards) {
    const { kind, score, words: text } = card.dataset;
    card.hidden = (form.kind.value !== "" && form.kind.value !== kind)
      || Number(score) > most || !words.every((word) => text.includes(word));
  }
  const shown = cards.filter((card) => !card.hidden).length;
  form.querySelector("output").value = `${shown} of ${cards.length}`;
};
form.addEventListener("input", choose);
form.addEventListener("submit", (event) => event.preventDefault());
form.hidden = false;
choose();
