// The seat's camera, microphone and loudspeaker.

export interface Choice {
  camera: string | null
  microphone: string | null
}

export interface Captured {
  audio: MediaStreamTrack | null
  video: MediaStreamTrack | null
}

/** Opens camera and microphone; whatever can't be opened is null, so a seat without a camera still takes part. */
export async function capture(choice: Choice): Promise<Captured> {
  const video = { ...CAMERA, ...exact(choice.camera) }
  const audio = { ...MICROPHONE, ...exact(choice.microphone) }
  const both = await open({ video, audio })
  if (both !== null) return { audio: both.getAudioTracks()[0] ?? null, video: both.getVideoTracks()[0] ?? null }
  const [sound, picture] = [await open({ audio }), await open({ video })]
  return { audio: sound?.getAudioTracks()[0] ?? null, video: picture?.getVideoTracks()[0] ?? null }
}

/** The screen, chosen in the browser's own dialogue; null when the person changed their mind. */
export async function captureScreen(): Promise<MediaStreamTrack | null> {
  if (!canShareScreen()) return null
  const stream = await navigator.mediaDevices
    .getDisplayMedia({ video: { frameRate: { max: 15 } }, audio: false })
    .catch(() => null)
  const track = stream?.getVideoTracks()[0] ?? null
  if (track !== null) track.contentHint = 'detail'
  return track
}

export const canShareScreen = (): boolean => typeof mediaDevices()?.getDisplayMedia === 'function'

/** The devices of one kind, with a name for each. */
export async function devices(kind: MediaDeviceKind): Promise<MediaDeviceInfo[]> {
  const all = (await mediaDevices()?.enumerateDevices().catch(() => [])) ?? []
  return all.filter((device) => device.kind === kind && device.deviceId !== '')
}

function open(constraints: MediaStreamConstraints): Promise<MediaStream | null> {
  return mediaDevices()?.getUserMedia(constraints).catch(() => null) ?? Promise.resolve(null)
}

// Absent on a page that was not served over TLS.
function mediaDevices(): MediaDevices | undefined {
  return (navigator as Partial<Navigator>).mediaDevices
}

const exact = (id: string | null): MediaTrackConstraints => (id === null ? {} : { deviceId: { exact: id } })

const CAMERA: MediaTrackConstraints = {
  width: { ideal: 1280 },
  height: { ideal: 720 },
  frameRate: { ideal: 30, max: 30 },
}
const MICROPHONE: MediaTrackConstraints = { echoCancellation: true, noiseSuppression: true, autoGainControl: true }
