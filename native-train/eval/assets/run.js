// An open page of a run that goes on shows its newest state; what was opened or closed stays so.
const kept = JSON.parse(sessionStorage.getItem("open") ?? "{}");
for (const part of document.querySelectorAll("details")) {
  if (part.id in kept) part.open = kept[part.id];
  part.addEventListener("toggle", () => {
    kept[part.id] = part.open;
    sessionStorage.setItem("open", JSON.stringify(kept));
  });
}
if ("goesOn" in document.body.dataset) setTimeout(() => location.reload(), 30_000);
