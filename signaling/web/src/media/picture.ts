// How bright a camera's picture is, measured on a small copy.

export class PictureMeter {
  private readonly canvas = document.createElement('canvas')

  /** Mean brightness from 0 (black) to 255; null while there is no picture. */
  read(video: HTMLVideoElement): number | null {
    if (video.videoWidth === 0) return null
    this.canvas.width = WIDTH
    this.canvas.height = HEIGHT
    const context = this.canvas.getContext('2d', { willReadFrequently: true })
    if (context === null) return null
    context.drawImage(video, 0, 0, WIDTH, HEIGHT)
    const { data } = context.getImageData(0, 0, WIDTH, HEIGHT)
    let sum = 0
    for (let at = 0; at < data.length; at += 4) sum += ((data[at] ?? 0) + 2 * (data[at + 1] ?? 0) + (data[at + 2] ?? 0)) / 4
    return sum / (WIDTH * HEIGHT)
  }
}

const WIDTH = 64
const HEIGHT = 36
