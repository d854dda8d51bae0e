import { describe, expect, it, vi } from 'vitest'
import type { ClientMessage } from '../../src/api/model'
import { layout, wishes, type Scene } from '../../src/media/layout'
import { Sizes } from '../../src/media/sizes'
import { Acts } from '../../src/session/acts'
import { alarms } from '../../src/session/alarms'
import { deviceNumber, parseLink } from '../../src/session/link'
import { grade } from '../../src/session/quality'
import { live, seat, view } from './fixtures'

describe('alarms', () => {
  it('put a faulty record first', () => {
    const seats = [seat(1, 'counsel', { presence: 'admitted' })]
    const found = alarms(view({ seats, record: { state: 'faulty', tracks: [], fault: 'disk full', warning: null, proof: { binding: null, integrity: null, witness: null } } }), [], new Map([[1, 7]]))
    expect(found.map((alarm) => alarm.kind)).toEqual(['record', 'lost'])
    expect(found[0]).toMatchObject({ reason: 'disk full' })
    expect(found[1]).toMatchObject({ since: 7 })
  })

  it('name a required track that does not arrive', () => {
    const seats = [seat(1, 'counsel', { required: ['audio', 'video'] })]
    const found = alarms(view({ seats }), [live(1, { tracks: ['audio'] })], new Map())
    expect(found).toMatchObject([{ kind: 'missing', track: 'video' }])
  })

  it('are silent before the opening and for a witness who waits apart', () => {
    const seats = [seat(1, 'witness', { presence: 'admitted', apart: true }), seat(2, 'counsel', { presence: 'admitted' })]
    expect(alarms(view({ seats, phase: 'waiting' }), [], new Map())).toEqual([])
    expect(alarms(view({ seats }), [], new Map())).toMatchObject([{ seat: { name: 'counsel' } }])
  })
})

describe('the stage', () => {
  const seats = [seat(0, 'judge', { role: 'judge' }), seat(1, 'counsel'), seat(2, 'prosecutor'), seat(3, 'witness', { apart: true })]
  const scene = (more: Partial<Scene> = {}): Scene => ({
    view: view({ seats }), you: 1, live: [], pinned: null, speaker: null, narrow: false, ...more,
  })
  const focus = (more: Partial<Scene>): string => {
    const { focus: place } = layout(scene(more))
    return place === null ? 'none' : `${place.seat.name}/${place.kind}`
  }

  it('shows all in equal size on a wide screen, without those who wait apart', () => {
    const { focus: place, tiles } = layout(scene())
    expect(place).toBeNull()
    expect(tiles.map((tile) => tile.seat.name)).toEqual(['judge', 'counsel', 'prosecutor'])
  })

  it('gives the large place of a phone to the floor, else to who speaks, else to the judge, never to oneself', () => {
    expect(focus({ narrow: true })).toBe('judge/video')
    expect(focus({ narrow: true, speaker: 2 })).toBe('prosecutor/video')
    expect(focus({ narrow: true, speaker: 2, view: view({ seats, floor: 0 }) })).toBe('judge/video')
    expect(focus({ narrow: true, view: view({ seats, floor: 1 }) })).toBe('judge/video')
  })

  it('gives the large place to a shared screen unless something else was chosen', () => {
    const sharing = [live(2, { tracks: ['video', 'screen'] })]
    expect(focus({ live: sharing })).toBe('prosecutor/screen')
    expect(focus({ live: sharing, pinned: { seat: 0, kind: 'video' } })).toBe('judge/video')
  })

  it('wants the large place large, tiles small, and who is not shown off', () => {
    const narrow = scene({ narrow: true })
    const sizes = Object.fromEntries(
      wishes(layout(narrow), narrow.view, 1).filter((wish) => wish.kind === 'video').map((wish) => [wish.seat, wish.size]),
    )
    expect(sizes).toEqual({ 0: 'large', 2: 'small', 3: 'off' })
  })

  it('wants every screen at once, so that a shared one is there without a wait', () => {
    const wide = scene()
    const screens = wishes(layout(wide), wide.view, 1).filter((wish) => wish.kind === 'screen')
    expect(screens.map((wish) => wish.size)).toEqual(['large', 'large', 'large'])
  })
})

describe('sizes', () => {
  it('are told once per change and again when the server has forgotten', () => {
    const sent: ClientMessage[] = []
    const sizes = new Sizes((message) => sent.push(message) > 0)
    sizes.want([{ seat: 2, kind: 'video', size: 'small' }])
    sizes.want([{ seat: 2, kind: 'video', size: 'small' }])
    expect(sent).toEqual([{ type: 'prefer', seat: 2, kind: 'video', size: 'small' }])
    sizes.again()
    expect(sent).toHaveLength(2)
  })

  it('that could not be told are told when the line is back', () => {
    const send = vi.fn().mockReturnValueOnce(false).mockReturnValue(true)
    const sizes = new Sizes(send)
    sizes.want([{ seat: 2, kind: 'video', size: 'small' }])
    sizes.again()
    expect(send).toHaveBeenCalledTimes(2)
  })
})

describe('acts', () => {
  const problem = { code: 'forbidden', message: 'no', message_zh: '不可' }

  it('are answered by their number', async () => {
    const sent: ClientMessage[] = []
    const acts = new Acts((message) => sent.push(message) > 0)
    const [first, second] = [acts.ask({ action: 'open' }), acts.ask({ action: 'close' })]
    acts.settle(2, problem)
    acts.settle(1, null)
    expect(await first).toBeNull()
    expect(await second).toBe(problem)
    expect(sent[1]).toEqual({ type: 'act', id: 2, action: { action: 'close' } })
  })

  it('fail at once while the line is down and of unknown fate when it is cut', async () => {
    expect((await new Acts(() => false).ask({ action: 'open' }))?.code).toBe('offline')
    const acts = new Acts(() => true)
    const open = acts.ask({ action: 'open' })
    acts.cut()
    expect((await open)?.code).toBe('cut')
  })
})

describe('the quality of a connection', () => {
  it('is as good as its worst figure', () => {
    const quality = live(0).quality
    expect(grade(quality)).toBe('good')
    expect(grade({ ...quality, rtt_ms: 240 })).toBe('fair')
    expect(grade({ ...quality, loss_down: 0.03 })).toBe('fair')
    expect(grade({ ...quality, rtt_ms: 240, loss_up: 0.2 })).toBe('poor')
    expect(grade({ ...quality, relief: 'resolution' })).toBe('fair')
    expect(grade({ ...quality, relief: 'pictures' })).toBe('poor')
  })
})

describe('a link', () => {
  const token = 'a'.repeat(43)

  it('names the hearing and carries the token behind the hash', () => {
    expect(parseLink(`https://court.test/h/7f9c#t=${token}`)).toEqual({ hearing: '7f9c', token, auto: false })
    expect(parseLink(`https://court.test/h/7f9c?auto=1#t=${token}`)?.auto).toBe(true)
  })

  it('is refused without a hearing or with a token of the wrong form', () => {
    expect(parseLink(`https://court.test/#t=${token}`)).toBeNull()
    expect(parseLink('https://court.test/h/7f9c#t=short')).toBeNull()
    expect(parseLink(`https://court.test/h/7f9c?t=${token}`)).toBeNull()
  })

  it('is used with one number per device, 16 bytes, kept', () => {
    const kept = new Map<string, string>()
    const store = { getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, value: string) => { kept.set(key, value) } }
    expect(deviceNumber(store, (bytes) => bytes.fill(255))).toBe('_____________________w')
    expect(deviceNumber(store, (bytes) => bytes.fill(1))).toBe('_____________________w')
  })
})
