import { describe, expect, it } from 'vitest'
import { preferred } from '../../src/media/codecs'
import { addLines, makeOffer, type Encoding, type OfferingPeer } from '../../src/media/offer'
import { FakePeer } from './fake-peer'

const offering = (peer: FakePeer): OfferingPeer => peer as unknown as OfferingPeer

describe('the offer', () => {
  it('names a line for each kind that is sent and a slot for each other seat and kind', async () => {
    const peer = new FakePeer()
    const lines = addLines(offering(peer), {}, [{ id: 0 }, { id: 5 }], () => undefined)
    const offer = await makeOffer(offering(peer), lines)
    expect(offer.sdp).toBe('offer')
    expect(offer.sends).toEqual([
      { mid: '0', kind: 'audio' },
      { mid: '1', kind: 'video' },
      { mid: '2', kind: 'screen' },
    ])
    expect(offer.slots).toEqual([
      { mid: '3', seat: 0, kind: 'audio' },
      { mid: '4', seat: 0, kind: 'video' },
      { mid: '5', seat: 0, kind: 'screen' },
      { mid: '6', seat: 5, kind: 'audio' },
      { mid: '7', seat: 5, kind: 'video' },
      { mid: '8', seat: 5, kind: 'screen' },
    ])
  })

  it('sends only and receives only, the camera in two encodings of increasing quality', () => {
    const peer = new FakePeer()
    addLines(offering(peer), {}, [{ id: 0 }], () => undefined)
    const directions = peer.transceivers.map((one) => `${one.kind} ${one.init.direction ?? ''}`)
    expect(directions).toEqual([
      'audio sendonly', 'video sendonly', 'video sendonly', 'audio recvonly', 'video recvonly', 'video recvonly',
    ])
    const camera = peer.transceivers[1]?.init.sendEncodings ?? []
    expect(camera.map((one) => [one.rid, one.scaleResolutionDownBy])).toEqual([['l', 2], ['h', 1]])
  })

  it('sends one frame rate where the browser does not know how to send several', () => {
    const peer = new FakePeer()
    const old = Object.assign(offering(peer), {
      addTransceiver: (what: string, init: RTCRtpTransceiverInit) => {
        if (init.sendEncodings?.some((encoding: Encoding) => encoding.scalabilityMode !== undefined)) throw new Error('no')
        return FakePeer.prototype.addTransceiver.call(peer, what, init)
      },
    }) as unknown as OfferingPeer
    const lines = addLines(old, {}, [], () => undefined)
    expect(lines.senders.size).toBe(3)
  })

  it('sends the tracks that are there and leaves room for those that come later', () => {
    const peer = new FakePeer()
    const track = { kind: 'audio', id: 'microphone' } as MediaStreamTrack
    addLines(offering(peer), { audio: track, video: null }, [], () => undefined)
    expect(peer.transceivers.map((one) => one.sender.track)).toEqual([track, null, null])
  })

  it('sends nothing for a seat that only watches', async () => {
    const peer = new FakePeer()
    const lines = addLines(offering(peer), null, [{ id: 1 }], () => undefined)
    expect((await makeOffer(offering(peer), lines)).sends).toEqual([])
    expect(peer.transceivers).toHaveLength(3)
  })
})

describe('the codecs', () => {
  const codec = (mimeType: string, sdpFmtpLine?: string): RTCRtpCodec =>
    ({ mimeType, clockRate: 90_000, ...(sdpFmtpLine === undefined ? {} : { sdpFmtpLine }) })

  it('are VP8, then H.264 constrained baseline mode 1, then their retransmission, and no others', () => {
    const offered = [
      codec('video/rtx'),
      codec('video/H264', 'level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f'),
      codec('video/H264', 'packetization-mode=0;profile-level-id=42e01f'),
      codec('video/H264', 'packetization-mode=1;profile-level-id=640c1f'),
      codec('video/VP9'),
      codec('video/AV1'),
      codec('video/VP8'),
    ]
    expect(preferred(offered)).toEqual([offered[6], offered[1], offered[0]])
  })

  it('are Opus for sound, and redundant Opus behind it', () => {
    const offered = [codec('audio/G722'), codec('audio/opus'), codec('audio/red')]
    expect(preferred(offered)).toEqual([offered[1], offered[2]])
  })
})
