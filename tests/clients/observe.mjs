// What a page decodes in its slots: the counter and the seat drawn into pictures, the tone of sounds.
// The test card's geometry and check bits stand in docs/ref/testcard.md. Runs inside the page, so it imports nothing.
// Without `seconds` it only begins: `window.observed.seen` shows what was seen so far, and `window.observed.end()` gives the whole.
export async function observeInPage(seconds) {
  const slots = Object.entries(window.hearing?.slots ?? {});
  const context = new AudioContext();
  // A browser that waits for a gesture never settles this; the level then stays silent and the test says so.
  context.resume();
  const began = performance.now();
  let ends = seconds === null ? Infinity : began + seconds * 1000;
  let finish;
  const finished = new Promise((resolve) => { finish = resolve; });
  const seenNow = {};
  const results = Promise.all(slots.map(async ([name, element]) => [name, name.endsWith('/audio') ? await listen(element, name) : await watch(element, name)]));
  const report = async () => {
    const slots = Object.fromEntries(await results);
    await context.close();
    return { slots };
  };
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
      // The next picture is not waited for until this one is read; one whose element is just being given up can't be.
      note(video, canvas, seen, beat).catch(() => { seen.bad += 1; }).finally(schedule);
    };
    const schedule = () => (video.requestVideoFrameCallback ? video.requestVideoFrameCallback(next) : setTimeout(next, 15));
    schedule();
    await finished;
    stop = true;
    beat();
    return seen;
  }

  async function note(video, canvas, seen, beat) {
    const [width, height] = [video.videoWidth, video.videoHeight];
    if (!width) return;
    // Only what the mark is drawn in: reading whole pictures takes a machine that shows many a good part of its time.
    const strip = Math.ceil((height * 6) / 27 / 2) * 2;
    const mark = read((await brightness(video, width, strip)) ?? green(video, canvas, width, strip), height);
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

  // The first plane of the decoded picture as it is; null where that can't be had.
  async function brightness(video, width, rows) {
    if (!window.VideoFrame) return null;
    const frame = new VideoFrame(video);
    try {
      if (!['I420', 'NV12'].includes(frame.format) || frame.visibleRect.width !== width) return null;
      const rect = { x: 0, y: 0, width: width & ~1, height: rows };
      const data = new Uint8Array(frame.allocationSize({ rect }));
      const [plane] = await frame.copyTo(data, { rect });
      return { data, offset: plane.offset, stride: plane.stride, step: 1, width };
    } finally {
      frame.close();
    }
  }

  // The green of what is drawn.
  function green(video, canvas, width, rows) {
    if (canvas.width !== width || canvas.height !== rows) Object.assign(canvas, { width, height: rows });
    const context = canvas.getContext('2d', { willReadFrequently: true });
    context.drawImage(video, 0, 0);
    return { data: context.getImageData(0, 0, width, rows).data, offset: 1, stride: width * 4, step: 4, width };
  }

  function read(pixels, height) {
    const words = [0, 1].map((row) => cells(pixels, height, row));
    if (words.includes(null)) return null;
    const [counter, seats] = [checked(words[0], 0b1010), checked(words[1], 0b0101)];
    if (counter === null || seats === null || seats >> 6 !== (~seats & 0x3f)) return null;
    return { counter, seat: seats >> 6 };
  }

  function checked(word, salt) {
    const value = word >> 4;
    return (word & 15) === (((value >> 8) ^ (value >> 4) ^ value ^ salt) & 15) ? value : null;
  }

  function cells({ data, offset, stride, step, width }, height, row) {
    let word = 0;
    const y = Math.floor(((row * 3 + 1.5) * height) / 27);
    for (let cell = 0; cell < 16; cell += 1) {
      let sum = 0;
      for (let part = -2; part <= 2; part += 1) {
        const x = Math.floor(((cell + 0.5) * width) / 16) + part;
        sum += data[offset + y * stride + x * step];
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
    for (let look = 0; performance.now() < ends; look += 1) {
      follow();
      await new Promise((resolve) => setTimeout(resolve, 50));
      level.getFloatTimeDomainData(samples);
      if (samples.some((sample) => Math.abs(sample) > 0.02)) beat();
      // A spectrum is dear, and what it is of lasts 170 ms.
      if (look % 4 !== 3) continue;
      analyser.getFloatFrequencyData(bins);
      const peak = bins.reduce((best, level, bin) => (level > bins[best] ? bin : best), 0);
      if (bins[peak] < -50) continue;
      const frequency = (peak * context.sampleRate) / analyser.fftSize;
      votes.set(frequency, (votes.get(frequency) ?? 0) + 1);
    }
    beat();
    [analyser, level, source].forEach((node) => node?.disconnect());
    const loudest = [...votes].sort((a, b) => b[1] - a[1])[0];
    if (loudest) seen.tone = loudest[0];
    return seen;
  }
}
