import { describe, expect, it } from 'vitest'
import type { Change, Entry } from '../../src/api/model'
import { reduce, reduceLost } from '../../src/session/reducer'
import { seat, view } from './fixtures'

const entry = (seq: number, change: Change): Entry => ({ seq, at: seq * 1_000, change })

describe('the view moved on by the journal', () => {
  it('replaces one seat and leaves the others alone', () => {
    const before = view()
    const after = reduce(before, entry(6, { kind: 'seat', value: seat(1, 'counsel', { muted: true }) }))
    expect(after.seats[1]?.muted).toBe(true)
    expect(after.seats[0]).toBe(before.seats[0])
    expect(after.seq).toBe(6)
    expect(before.seats[1]?.muted).toBe(false)
  })

  it('ignores an entry that the view already contains', () => {
    const before = view({ seq: 9 })
    expect(reduce(before, entry(9, { kind: 'floor', value: 1 }))).toBe(before)
  })

  it('goes on over numbers that are not for these eyes', () => {
    expect(reduce(view(), entry(12, { kind: 'floor', value: 1 }))).toMatchObject({ seq: 12, floor: 1 })
  })

  it('notes when the session was opened, once', () => {
    const opened = reduce(view({ phase: 'waiting', opened_at: null }), entry(6, { kind: 'phase', value: 'in-session' }))
    expect(opened.opened_at).toBe(6_000)
    const recess = reduce(opened, entry(7, { kind: 'phase', value: { recess: 'mediation' } }))
    expect(recess.phase).toEqual({ recess: 'mediation' })
    expect(reduce(recess, entry(8, { kind: 'phase', value: 'in-session' })).opened_at).toBe(6_000)
  })

  it('replaces the whole record', () => {
    const record = { state: 'faulty', tracks: [], fault: 'disk full', warning: null, proof: { binding: null, integrity: null, witness: null } } as const
    expect(reduce(view(), entry(6, { kind: 'record', value: { ...record, tracks: [] } })).record).toEqual(record)
  })

  it('takes in a seat that it did not know, in order', () => {
    const alone = view({ seats: [seat(1, 'counsel')] })
    const after = reduce(alone, entry(6, { kind: 'seat', value: seat(0, 'judge') }))
    expect(after.seats.map((one) => one.name)).toEqual(['judge', 'counsel'])
  })
})

describe('seats that lost their connection', () => {
  const cut = entry(6, { kind: 'seat', value: seat(1, 'counsel', { presence: 'admitted' }) })

  it('are noted with the time of the loss', () => {
    expect(reduceLost(new Map(), view(), cut).get(1)).toBe(6_000)
  })

  it('keep the first time while they are away and are forgotten when they are back', () => {
    const lost = reduceLost(new Map(), view(), cut)
    const away = reduce(view(), cut)
    const hand = entry(7, { kind: 'seat', value: seat(1, 'counsel', { presence: 'admitted', hand: true }) })
    expect(reduceLost(lost, away, hand).get(1)).toBe(6_000)
    const back = entry(8, { kind: 'seat', value: seat(1, 'counsel') })
    expect(reduceLost(lost, away, back).size).toBe(0)
  })

  it('are not those that were only just admitted', () => {
    const waiting = view({ seats: [seat(1, 'counsel', { presence: 'waiting' })] })
    expect(reduceLost(new Map(), waiting, cut).size).toBe(0)
  })
})
