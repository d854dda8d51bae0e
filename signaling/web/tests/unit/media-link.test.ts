import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Refused } from '../../src/api/http'
import type { Offer } from '../../src/api/model'
import { MediaLink, type MediaState } from '../../src/media/link'
import { FakePeer } from './fake-peer'

class Linked {
  readonly peers: FakePeer[] = []
  readonly offers: Offer[] = []
  readonly states: MediaState[] = []
  readonly refusals: Refused[] = []
  readonly tracks: string[] = []
  /** What the server says to the next offer. */
  answer: () => Promise<string> = () => Promise.resolve('answer')
  readonly link = new MediaLink(
    [{ id: 0 }, { id: 2 }],
    {},
    {
      peer: () => {
        const peer = new FakePeer()
        this.peers.push(peer)
        return peer as unknown as RTCPeerConnection
      },
      post: (offer) => {
        this.offers.push(offer)
        return this.answer()
      },
      prefer: () => undefined,
    },
    {
      state: (state) => { this.states.push(state) },
      track: (seat, kind) => { this.tracks.push(`${seat.toString()}/${kind}`) },
      refused: (refusal) => { this.refusals.push(refusal) },
    },
  )

  get peer(): FakePeer {
    const peer = this.peers.at(-1)
    if (peer === undefined) throw new Error('no peer was made')
    return peer
  }

  async up(): Promise<this> {
    await this.link.connect()
    this.peer.becomes('connected')
    return this
  }
}

const refused = (status: number): Refused => new Refused(status, { code: 'not_admitted', message: '', message_zh: '' })

describe('the media connection', () => {
  beforeEach(() => { vi.useFakeTimers() })
  afterEach(() => { vi.useRealTimers() })

  it('offers once, delivers every slot and takes the answer', async () => {
    const linked = await new Linked().up()
    expect(linked.offers).toHaveLength(1)
    expect(linked.tracks).toEqual(['0/audio', '0/video', '0/screen', '2/audio', '2/video', '2/screen'])
    expect(linked.peer.remote).toEqual({ type: 'answer', sdp: 'answer' })
    expect(linked.states).toEqual(['connecting', 'connected'])
  })

  it('is made anew after it has failed', async () => {
    const linked = await new Linked().up()
    linked.peer.becomes('failed')
    expect(linked.peers[0]?.closed).toBe(true)
    expect(linked.states.at(-1)).toBe('waiting')
    await vi.advanceTimersByTimeAsync(500)
    expect(linked.offers).toHaveLength(2)
  })

  it('bears a short disconnection and not one of two seconds', async () => {
    const linked = await new Linked().up()
    linked.peer.becomes('disconnected')
    await vi.advanceTimersByTimeAsync(1_900)
    linked.peer.becomes('connected')
    await vi.advanceTimersByTimeAsync(10_000)
    expect(linked.peers).toHaveLength(1)
    linked.peer.becomes('disconnected')
    await vi.advanceTimersByTimeAsync(2_500)
    expect(linked.peers).toHaveLength(2)
  })

  it('tries again with growing waits while the server cannot be reached', async () => {
    const linked = new Linked()
    linked.answer = () => Promise.reject(refused(0))
    await linked.link.connect()
    await vi.advanceTimersByTimeAsync(500)
    expect(linked.offers).toHaveLength(2)
    await vi.advanceTimersByTimeAsync(999)
    expect(linked.offers).toHaveLength(2)
    await vi.advanceTimersByTimeAsync(1)
    expect(linked.offers).toHaveLength(3)
  })

  it('stops and says why when the server refuses', async () => {
    const linked = new Linked()
    linked.answer = () => Promise.reject(refused(403))
    await linked.link.connect()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(linked.refusals).toHaveLength(1)
    expect(linked.offers).toHaveLength(1)
    expect(linked.states.at(-1)).toBe('off')
  })

  it('ignores the answer to an offer that was overtaken', async () => {
    const linked = new Linked()
    let late: (sdp: string) => void = () => undefined
    linked.answer = () => new Promise((resolve) => { late = resolve })
    const first = linked.link.connect()
    await vi.advanceTimersByTimeAsync(0)
    linked.answer = () => Promise.resolve('second')
    await linked.link.connect()
    late('first')
    await first
    expect(linked.peers[0]?.remote).toBeNull()
    expect(linked.peers[1]?.remote?.sdp).toBe('second')
  })

  it('gives up a connection that does not come up within ten seconds', async () => {
    const linked = new Linked()
    await linked.link.connect()
    await vi.advanceTimersByTimeAsync(10_500)
    expect(linked.peers).toHaveLength(2)
  })

  it('stays closed', async () => {
    const linked = await new Linked().up()
    linked.link.close()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(linked.peers).toHaveLength(1)
  })

  it('keeps a track that was replaced over a reconnection', async () => {
    const linked = await new Linked().up()
    const track = { kind: 'video', id: 'screen' } as MediaStreamTrack
    await linked.link.replace('screen', track)
    await linked.link.connect()
    expect(linked.peer.transceivers[2]?.sender.track).toBe(track)
  })

  it('sends only the layers that somebody takes', async () => {
    const linked = await new Linked().up()
    const active = (): (boolean | undefined)[] =>
      (linked.peer.transceivers[1]?.init.sendEncodings ?? []).map((encoding) => encoding.active)
    await linked.link.activate('video', [true, false, true, true])
    expect(active()).toEqual([true, false])
    await linked.link.activate('video', [true, true])
    expect(active()).toEqual([true, true])
  })

  it('knows which seats its slots are for', () => {
    const { link } = new Linked()
    expect(link.has([{ id: 0 }, { id: 2 }])).toBe(true)
    expect(link.has([{ id: 0 }])).toBe(false)
    expect(link.has([{ id: 0 }, { id: 3 }])).toBe(false)
  })
})
