// Stimuli of one trial, all running at once, one of them heard: switching keeps the place to the sample.

const RATE = 16000;
const FADE = 0.005; // s

class Player {
  constructor(dialog) {
    this.dialog = dialog;
    this.seek = dialog.querySelector(".seek");
    this.seek.addEventListener("input", () => this.moveTo(Number(this.seek.value)));
    dialog.addEventListener("click", (event) => {
      const button = event.target.closest("[data-play]");
      if (button) this.play(Number(button.dataset.play));
    });
    dialog.addEventListener("close", () => this.clear());
    this.clear();
  }

  clear() {
    this.halt();
    this.loading = null;
    this.buffers = [];
    this.active = null;
    this.offset = 0;
    this.show();
  }

  // stimuli: [{audio, gain}], audio an element's id or a data URI, gain in dB; the first one's length is everyone's.
  async load(stimuli, matched) {
    this.clear();
    this.context ??= new AudioContext({ sampleRate: RATE });
    const loading = (this.loading = {});
    const decode = ({ audio }) => this.context.decodeAudioData(bytes(audio));
    const decoded = await Promise.all(stimuli.map(decode)).catch((error) => tell(`This browser cannot play the speech: ${error.message}`));
    if (!decoded || this.loading !== loading) return; // or the trial was left meanwhile
    const levels = stimuli.map(({ gain }) => (matched ? 10 ** (gain / 20) : 1));
    const peak = Math.max(...decoded.map((buffer, i) => levels[i] * loudest(buffer.getChannelData(0))));
    this.levels = levels.map((level) => level / Math.max(1, peak));
    this.buffers = decoded.map((buffer) => {
      // Loops of one length stay together.
      const same = this.context.createBuffer(1, decoded[0].length, RATE);
      same.copyToChannel(buffer.getChannelData(0).subarray(0, same.length), 0);
      return same;
    });
    this.seek.max = this.buffers[0].duration;
    this.show();
  }

  get playing() {
    return this.voices !== null;
  }

  get position() {
    if (!this.playing) return this.offset;
    return (this.offset + Math.max(0, this.context.currentTime - this.began)) % this.buffers[0].duration;
  }

  // What plays already starts again from the beginning; anything else takes over where we are.
  play(index) {
    if (index >= this.buffers.length) return;
    if (this.playing && index === this.active) this.moveTo(0);
    this.active = index;
    if (!this.playing) this.start();
    this.voices.forEach(({ gain }, i) => {
      gain.gain.setTargetAtTime(i === index ? this.levels[i] : 0, this.context.currentTime, FADE / 3);
    });
    this.show();
  }

  start() {
    this.context.resume();
    this.began = this.context.currentTime + 0.02;
    this.voices = this.buffers.map((buffer, i) => {
      const [source, gain] = [this.context.createBufferSource(), this.context.createGain()];
      Object.assign(source, { buffer, loop: true });
      gain.gain.value = i === this.active ? this.levels[i] : 0;
      source.connect(gain).connect(this.context.destination);
      source.start(this.began, this.offset);
      return { source, gain };
    });
    this.follow();
  }

  moveTo(seconds) {
    const playing = this.playing;
    this.halt();
    this.offset = seconds;
    if (playing) this.start();
    this.show();
  }

  // Pauses, or goes on.
  pause() {
    if (this.playing) {
      const position = this.position;
      this.halt();
      this.offset = position;
    } else if (this.active !== null) {
      this.start();
    }
    this.show();
  }

  halt() {
    this.voices?.forEach(({ source }) => source.stop());
    this.voices = null;
  }

  show() {
    this.seek.value = this.position;
    for (const button of this.dialog.querySelectorAll("[data-play]")) {
      button.setAttribute("aria-pressed", this.playing && Number(button.dataset.play) === this.active);
      button.disabled = Number(button.dataset.play) >= this.buffers.length;
    }
  }

  follow() {
    if (!this.playing) return;
    this.seek.value = this.position;
    requestAnimationFrame(() => this.follow());
  }
}

function bytes(audio) {
  const uri = byId(audio)?.getAttribute("src") ?? audio;
  return Uint8Array.from(atob(uri.slice(uri.indexOf(",") + 1)), (character) => character.charCodeAt(0)).buffer;
}

function loudest(samples) {
  return samples.reduce((peak, sample) => Math.max(peak, Math.abs(sample)), 0);
}
