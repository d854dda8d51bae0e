import { describe, expect, it, vi } from 'vitest'
import { Refused } from '../../src/api/http'
import { RecordApi } from '../../src/playback/api'
import { isViewAddress, parseViewLink } from '../../src/playback/link'
import type { Film, Seat, Timeline } from '../../src/playback/model'
import { Player } from '../../src/playback/player'
import { advance, filmPlace, follow, percent, pieceAt, speakers, Watched } from '../../src/playback/time'

const TOKEN = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ'

function seat(name: string, more: Partial<Seat> = {}): Seat {
  const file = (kind: string) => ({ url: `/${name}-${kind}`, start_ms: 500, end_ms: 60_000, codec: 'vp8' })
  return { name, title: name, title_en: name, audio: [file('audio')], video: [file('video')], screen: [], speech: [], gaps: [], ...more }
}

function timeline(more: Partial<Timeline> = {}): Timeline {
  return {
    hearing: 'h', case: '案', viewer: '某', public: false, epoch: 1_790_000_000_000_000, opened: null, closed: null, start_ms: 500,
    end_ms: 60_000, seats: [seat('judge')], pauses: [], marks: [], film: null, ...more,
  }
}

/** A media element as far as the player uses it. */
function element() {
  const media = {
    currentTime: 0, playbackRate: 1, paused: true, seeking: false, ended: false, error: null, readyState: 4,
    play: () => { media.paused = false; return Promise.resolve() },
    pause: () => { media.paused = true },
  }
  return media
}

function playing(record = timeline()) {
  let now = 0
  const told: [number, number][] = []
  const player = new Player(record, (from, to) => { told.push([from, to]) }, () => now)
  const media = element()
  player.add({ element: media as unknown as HTMLMediaElement, target: (ms) => ms / 1000 })
  const pass = (ms: number) => {
    for (let left = ms; left > 0; left -= 100) {
      now += 100
      if (!media.paused) media.currentTime += 0.1 * media.playbackRate
      player.turn()
    }
  }
  return { player, media, pass, told }
}

describe('a link to a record', () => {
  it('names the record and the secret, and nothing else is one', () => {
    expect(parseViewLink(`https://c/p/1-2#t=${TOKEN}`)).toEqual({ hearing: '1-2', token: TOKEN })
    expect(parseViewLink('https://c/p/1-2#t=short')).toBeNull()
    expect(parseViewLink(`https://c/h/1-2#t=${TOKEN}`)).toBeNull()
    expect(isViewAddress('https://c/p/1-2')).toBe(true)
  })

  it('is shown to the server once, in a header and not in an address', async () => {
    const fetcher = vi.fn(() => Promise.resolve(new Response('{}')))
    const api = new RecordApi({ hearing: 'h', token: TOKEN }, fetcher)
    await api.open()
    await api.timeline()
    const calls = fetcher.mock.calls as unknown as [string, RequestInit][]
    expect(calls.map(([url]) => url)).toEqual(['/api/records/h/open', '/api/records/h/timeline'])
    expect(calls[0]?.[1].headers).toEqual({ authorization: `Bearer ${TOKEN}` })
    expect(JSON.stringify(calls[1])).not.toContain(TOKEN)
  })

  it('says in the words of the server why it opens nothing', async () => {
    const problem = { code: 'share_revoked', message: 'taken back', message_zh: '已收回' }
    const api = new RecordApi({ hearing: 'h', token: TOKEN }, () => Promise.resolve(new Response(JSON.stringify(problem), { status: 403 })))
    await expect(api.open()).rejects.toMatchObject({ status: 403, problem } satisfies Partial<Refused>)
  })
})

describe('time in a record', () => {
  const pauses = [{ from_ms: 10_000, to_ms: 20_000, reason: 'recess' as const, closed: false }]

  it('passes over pauses in both directions and stays within the record', () => {
    const record = timeline({ pauses })
    expect(advance(record, 9_900, 200)).toBe(20_000)
    expect(advance(record, 20_100, -200)).toBe(10_000)
    expect(advance(record, 59_900, 5_000)).toBe(60_000)
    expect(advance(record, 600, -5_000)).toBe(500)
  })

  it('knows where the film shows a time', () => {
    const film: Film = { url: '', length_ms: 53_500, spans: [{ from_ms: 500, to_ms: 10_000, at_ms: 0 }, { from_ms: 20_000, to_ms: 60_000, at_ms: 13_500 }] }
    expect([500, 10_000, 15_000, 20_000, 60_000].map((ms) => filmPlace(film, ms))).toEqual([0, 9.5, 13.5, 13.5, 53.5])
  })

  it('finds the file of a time, and none in a gap or beyond', () => {
    const gaps = [{ kind: 'video' as const, from_ms: 30_000, to_ms: 40_000, reason: 'absent' }]
    const judge = seat('judge', { gaps })
    expect(pieceAt(judge, 'video', 29_000)?.url).toBe('/judge-video')
    expect(pieceAt(judge, 'video', 35_000)).toBeNull()
    expect(pieceAt(judge, 'audio', 35_000)?.url).toBe('/judge-audio')
    expect(pieceAt(judge, 'video', 70_000)).toBeNull()
    expect(pieceAt(judge, 'screen', 1_000)).toBeNull()
  })

  it('tells who speaks and where it lies on the line', () => {
    const record = timeline({ seats: [seat('judge', { speech: [[1_000, 2_000]] }), seat('clerk')] })
    expect(speakers(record, 1_500)).toEqual(['judge'])
    expect(speakers(record, 2_500)).toEqual([])
    expect(percent({ start_ms: 0, end_ms: 200 }, 50)).toBe(25)
  })
})

describe('everything in step', () => {
  it('plays small differences away and jumps over large ones', () => {
    expect(follow(10, 10.01, 1, true)).toEqual({ seek: null, rate: 1 })
    expect(follow(10, 10.0625, 1, true)).toEqual({ seek: null, rate: 1.0625 })
    expect(follow(10, 9.9, 2, true)).toEqual({ seek: null, rate: 2 * 0.92 })
    expect(follow(10, 12, 1, true).seek).toBeCloseTo(12.05)
    expect(follow(10, 12, 1, false)).toEqual({ seek: 12, rate: 1 })
  })

  it('an element follows the clock through a seek, a pause of the hearing and another speed', () => {
    const { player, media, pass } = playing(timeline({ pauses: [{ from_ms: 10_000, to_ms: 20_000, reason: 'recess', closed: false }] }))
    player.play()
    pass(2_000)
    expect(media.paused).toBe(false)
    expect(Math.abs(media.currentTime - player.state.ms / 1000)).toBeLessThan(0.2)
    player.seek(9_500)
    pass(1_000)
    expect(player.state.ms).toBeGreaterThan(20_000)
    pass(1_000)
    expect(Math.abs(media.currentTime - player.state.ms / 1000)).toBeLessThan(0.2)
    player.state.rate = 2
    const before = player.state.ms
    pass(5_000)
    expect(player.state.ms - before).toBeCloseTo(10_000, -3)
    expect(Math.abs(media.currentTime - player.state.ms / 1000)).toBeLessThan(0.3)
  })

  it('the clock waits for what is still being loaded', () => {
    const { player, media, pass } = playing()
    player.play()
    pass(1_000)
    media.readyState = 2
    const before = player.state.ms
    pass(3_000)
    expect(player.state.waiting).toBe(true)
    expect(player.state.ms).toBe(before)
    media.readyState = 4
    pass(1_000)
    expect(player.state.ms).toBeGreaterThan(before)
  })

  it('a seat stands alone and is heard alone until it is let go', () => {
    const judge = seat('judge')
    const { player } = playing(timeline({ seats: [judge] }))
    player.solo(judge)
    expect(player.state.solo).toBe('judge')
    player.solo(judge)
    expect(player.state.solo).toBeNull()
  })
})

describe('the audit log', () => {
  it('hears which spans were played, and not what was jumped over', () => {
    const told: [number, number][] = []
    const watched = new Watched((from, to) => { told.push([from, to]) })
    for (let ms = 1_000; ms <= 5_000; ms += 100) watched.at(ms)
    for (let ms = 30_000; ms <= 31_000; ms += 100) watched.at(ms)
    watched.end()
    watched.end()
    expect(told).toEqual([[1_000, 5_000], [30_000, 31_000]])
  })

  it('hears of a long view at least once a minute', () => {
    const { player, pass, told } = playing(timeline({ end_ms: 600_000 }))
    player.play()
    pass(150_000)
    expect(told.length).toBe(2)
    player.pause()
    expect(told.length).toBe(3)
  })
})
