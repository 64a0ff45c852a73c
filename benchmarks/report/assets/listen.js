// The open players: one at a time, going on at the same place, with a line in the spectrogram.

// Before an utterance is opened its players cost nothing.
function ready(details) {
  for (const audio of details.querySelectorAll("audio")) audio.preload = "metadata";
}
document.querySelectorAll("details.utterance[open]").forEach(ready);
document.addEventListener("toggle", (event) => event.target.open && ready(event.target), true);

let last = null;
document.addEventListener("play", ({ target }) => {
  const other = last;
  last = target;
  follow(target);
  if (!other || other === target) return;
  const near = other.closest("details") === target.closest("details");
  if (byId("together").checked && near && !other.ended && target.dataset.sought !== "true") target.currentTime = other.currentTime;
  delete target.dataset.sought;
  other.pause();
}, true);

for (const picture of document.querySelectorAll(".spectrogram")) {
  picture.append(element("span"));
  picture.addEventListener("click", (event) => {
    const audio = byId(picture.dataset.player);
    audio.currentTime = (event.offsetX / picture.clientWidth) * picture.dataset.seconds;
    audio.dataset.sought = "true";
    audio.play().catch(() => {}); // another player may take over before this one starts
  });
}

function follow(audio) {
  const picture = document.querySelector(`[data-player="${audio.id}"]`);
  if (!picture) return;
  picture.lastElementChild.style.left = `${(100 * audio.currentTime) / picture.dataset.seconds}%`;
  if (!audio.paused) requestAnimationFrame(() => follow(audio));
}
