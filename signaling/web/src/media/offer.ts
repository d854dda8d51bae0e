// The one offer that a page makes: what it sends, and a fixed receive slot per other seat and kind.

import { KINDS, type Kind, type Offer, type SeatId, type SeatView, type Send, type Slot } from '../api/model'

/** What of a peer connection building an offer needs; tests bring a fake. */
export interface OfferingPeer {
  addTransceiver(trackOrKind: MediaStreamTrack | string, init: RTCRtpTransceiverInit): RTCRtpTransceiver
  createOffer(): Promise<RTCSessionDescriptionInit>
  setLocalDescription(description: RTCSessionDescriptionInit): Promise<void>
  readonly localDescription: RTCSessionDescription | null
}

/** What the seat sends; a track may be absent now and come later without a new offer. */
export type Sources = Partial<Record<Kind, MediaStreamTrack | null>>

/** With what browsers know and the language's library does not yet. */
export interface Encoding extends RTCRtpEncodingParameters {
  scalabilityMode?: string
}

export interface Lines {
  senders: Map<Kind, RTCRtpTransceiver>
  slots: { seat: SeatId; kind: Kind; transceiver: RTCRtpTransceiver }[]
}

/** Adds all m-lines: first what is sent (`null`: this seat only watches), then the slots in order of seat and kind. */
export function addLines(
  peer: OfferingPeer,
  sources: Sources | null,
  others: readonly Pick<SeatView, 'id'>[],
  prefer: (transceiver: RTCRtpTransceiver, kind: 'audio' | 'video') => void,
): Lines {
  const lines: Lines = { senders: new Map(), slots: [] }
  if (sources !== null) {
    for (const kind of KINDS) {
      const init: RTCRtpTransceiverInit = { direction: 'sendonly', sendEncodings: ENCODINGS[kind] }
      lines.senders.set(kind, add(peer, sources[kind] ?? rtpKind(kind), init))
    }
  }
  for (const { id } of others) {
    for (const kind of KINDS) {
      lines.slots.push({ seat: id, kind, transceiver: peer.addTransceiver(rtpKind(kind), { direction: 'recvonly' }) })
    }
  }
  for (const [kind, transceiver] of lines.senders) prefer(transceiver, rtpKind(kind))
  for (const { kind, transceiver } of lines.slots) prefer(transceiver, rtpKind(kind))
  return lines
}

/** Browsers that don't know how to send several frame rates in one stream send one. */
function add(peer: OfferingPeer, what: MediaStreamTrack | string, init: RTCRtpTransceiverInit): RTCRtpTransceiver {
  try {
    return peer.addTransceiver(what, init)
  } catch {
    const plain = init.sendEncodings?.map((encoding: Encoding) => {
      const copy = { ...encoding }
      delete copy.scalabilityMode
      return copy
    }) ?? []
    return peer.addTransceiver(what, { ...init, sendEncodings: plain })
  }
}

/** Makes the offer; the mids are known once the local description is set. */
export async function makeOffer(peer: OfferingPeer, lines: Lines): Promise<Offer> {
  await peer.setLocalDescription(await peer.createOffer())
  const sdp = peer.localDescription?.sdp ?? ''
  const sends: Send[] = [...lines.senders].map(([kind, transceiver]) => ({ mid: midOf(transceiver), kind }))
  const slots: Slot[] = lines.slots.map(({ seat, kind, transceiver }) => ({ mid: midOf(transceiver), seat, kind }))
  return { sdp, sends, slots }
}

export const rtpKind = (kind: Kind): 'audio' | 'video' => (kind === 'audio' ? 'audio' : 'video')

function midOf(transceiver: RTCRtpTransceiver): string {
  if (transceiver.mid === null) throw new Error('the browser gave an m-line no mid')
  return transceiver.mid
}

// Three frame rates in one stream, so that a thin line can be given fewer frames. Browsers without the choice ignore it.
const FRAME_RATES = 'L1T3'

// Bits per second. Simulcast encodings stand in order of increasing quality.
const ENCODINGS: Record<Kind, Encoding[]> = {
  audio: [{ maxBitrate: 48_000 }],
  video: [
    { rid: 'l', scaleResolutionDownBy: 2, maxBitrate: 300_000, scalabilityMode: FRAME_RATES },
    { rid: 'h', scaleResolutionDownBy: 1, maxBitrate: 1_700_000, scalabilityMode: FRAME_RATES },
  ],
  screen: [{ maxBitrate: 2_500_000 }],
}
