// How loud a microphone is now.

export class LevelMeter {
  private readonly context = new AudioContext()
  private readonly analyser: AnalyserNode
  private readonly samples: Float32Array<ArrayBuffer>

  constructor(track: MediaStreamTrack) {
    this.analyser = this.context.createAnalyser()
    this.analyser.fftSize = 1024
    this.samples = new Float32Array(this.analyser.fftSize)
    this.context.createMediaStreamSource(new MediaStream([track])).connect(this.analyser)
    void this.context.resume()
  }

  /** The level in dBFS: 0 is full scale, -100 silence. */
  read(): number {
    this.analyser.getFloatTimeDomainData(this.samples)
    const power = this.samples.reduce((sum, sample) => sum + sample * sample, 0) / this.samples.length
    return Math.max(SILENCE_DB, 10 * Math.log10(power))
  }

  close(): void {
    void this.context.close()
  }
}

/** Plays a two-note chime for the loudspeaker check; resolves when it is over. */
export async function chime(speaker: string | null): Promise<void> {
  const context = new AudioContext()
  await chooseSink(context, speaker)
  const start = context.currentTime
  for (const [place, frequency] of [523.25, 659.25].entries()) note(context, frequency, start + place * 0.35)
  await new Promise((resolve) => setTimeout(resolve, 1_000))
  await context.close()
}

function note(context: AudioContext, frequency: number, at: number): void {
  const [tone, volume] = [context.createOscillator(), context.createGain()]
  tone.frequency.value = frequency
  volume.gain.setValueAtTime(0, at)
  volume.gain.linearRampToValueAtTime(0.25, at + 0.02)
  volume.gain.linearRampToValueAtTime(0, at + 0.33)
  tone.connect(volume).connect(context.destination)
  tone.start(at)
  tone.stop(at + 0.35)
}

async function chooseSink(context: AudioContext, speaker: string | null): Promise<void> {
  const sink = context as AudioContext & { setSinkId?: (id: string) => Promise<void> }
  if (speaker !== null && typeof sink.setSinkId === 'function') await sink.setSinkId(speaker).catch(() => undefined)
}

const SILENCE_DB = -100
