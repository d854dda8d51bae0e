// What a page decodes in its slots: the counter and the seat drawn into pictures, the tone of sounds.
// The test card's geometry and check bits stand in docs/ref/testcard.md. Runs inside the page, so it imports nothing.
// Without `seconds` it only begins: `window.observed.seen` shows what was seen so far, and `window.observed.end()` gives the whole.
export async function observeInPage(seconds) {
  const slots = Object.entries(window.hearing?.slots ?? {});
  const began = performance.now();
  let ends = seconds === null ? Infinity : began + seconds * 1000;
  let finish;
  const finished = new Promise((resolve) => { finish = resolve; });
  const seenNow = {};
  const results = Promise.all(slots.map(async ([name, element]) => [name, name.endsWith('/audio') ? await listen(element, name) : await watch(element, name)]));
  const report = async () => ({ slots: Object.fromEntries(await results) });
  if (seconds !== null) {
    setTimeout(finish, seconds * 1000);
    return await report();
  }
  window.observed = { seen: seenNow, end: () => { ends = performance.now(); finish(); return report(); } };
  return {};

  // The longest time in which nothing new came, in milliseconds.
  function pulse(seen) {
    let last = performance.now();
    return () => {
      const now = performance.now();
      seen.gap = Math.max(seen.gap, now - last);
      last = now;
    };
  }

  async function watch(video, name) {
    const seen = { frames: 0, bad: 0, first: 0, last: 0, seat: -1, counters: [], gap: 0 };
    const beat = pulse(seen);
    seenNow[name] = seen;
    const canvas = new OffscreenCanvas(16, 9);
    let stop = false;
    const next = () => {
      if (stop) return;
      note(video, canvas, seen, beat);
      schedule();
    };
    const schedule = () => (video.requestVideoFrameCallback ? video.requestVideoFrameCallback(next) : setTimeout(next, 15));
    schedule();
    await finished;
    stop = true;
    beat();
    return seen;
  }

  function note(video, canvas, seen, beat) {
    if (!video.videoWidth) return;
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    const context = canvas.getContext('2d', { willReadFrequently: true });
    context.drawImage(video, 0, 0);
    const mark = read(context.getImageData(0, 0, canvas.width, canvas.height));
    if (!mark) {
      seen.bad += 1;
      return;
    }
    if (seen.frames === 0) seen.first = mark.counter;
    if (seen.frames === 0 || mark.counter !== seen.last) {
      seen.frames += 1;
      seen.counters.push(mark.counter);
      beat();
    }
    seen.last = mark.counter;
    seen.seat = mark.seat;
  }

  function read(image) {
    const words = [0, 1].map((row) => cells(image, row));
    if (words.includes(null)) return null;
    const [counter, seats] = [checked(words[0], 0b1010), checked(words[1], 0b0101)];
    if (counter === null || seats === null || seats >> 6 !== (~seats & 0x3f)) return null;
    return { counter, seat: seats >> 6 };
  }

  function checked(word, salt) {
    const value = word >> 4;
    return (word & 15) === (((value >> 8) ^ (value >> 4) ^ value ^ salt) & 15) ? value : null;
  }

  function cells({ data, width, height }, row) {
    let word = 0;
    const y = Math.floor(((row * 3 + 1.5) * height) / 27);
    for (let cell = 0; cell < 16; cell += 1) {
      let sum = 0;
      for (let part = -2; part <= 2; part += 1) {
        const x = Math.floor(((cell + 0.5) * width) / 16) + part;
        sum += data[(y * width + x) * 4 + 1];
      }
      const mean = sum / 5;
      if (Math.abs(mean - 128) < 32) return null;
      word = (word << 1) | (mean > 128 ? 1 : 0);
    }
    return word;
  }

  async function listen(element, name) {
    const seen = { tone: 0, gap: 0 };
    const beat = pulse(seen);
    seenNow[name] = seen;
    if (!element.srcObject || element.srcObject.getAudioTracks().length === 0) return seen;
    const context = new AudioContext();
    // A browser that waits for a gesture never settles this; the level then stays silent and the test says so.
    context.resume();
    const analyser = new AnalyserNode(context, { fftSize: 8192 });
    const level = new AnalyserNode(context, { fftSize: 1024 });
    const samples = new Float32Array(level.fftSize);
    // A connection that is made anew brings another track.
    let track = null;
    let source = null;
    const follow = () => {
      const now = element.srcObject?.getAudioTracks()[0] ?? null;
      if (now === track || now === null) return;
      source?.disconnect();
      track = now;
      source = context.createMediaStreamSource(new MediaStream([track]));
      source.connect(analyser);
      source.connect(level);
    };
    const bins = new Float32Array(analyser.frequencyBinCount);
    const votes = new Map();
    while (performance.now() < ends) {
      follow();
      await new Promise((resolve) => setTimeout(resolve, 50));
      level.getFloatTimeDomainData(samples);
      if (samples.some((sample) => Math.abs(sample) > 0.02)) beat();
      analyser.getFloatFrequencyData(bins);
      const peak = bins.reduce((best, level, bin) => (level > bins[best] ? bin : best), 0);
      if (bins[peak] < -50) continue;
      const frequency = (peak * context.sampleRate) / analyser.fftSize;
      votes.set(frequency, (votes.get(frequency) ?? 0) + 1);
    }
    beat();
    await context.close();
    const loudest = [...votes].sort((a, b) => b[1] - a[1])[0];
    if (loudest) seen.tone = loudest[0];
    return seen;
  }
}
