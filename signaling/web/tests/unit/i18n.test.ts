import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { messages } from '../../src/i18n/messages'
import { say } from '../../src/i18n/speak'

const SOURCE = new URL('../../src/', import.meta.url)
const HAN = /\p{Script=Han}/u
const all = Object.entries(messages)
const holes = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map((hole) => hole[1] ?? '').sort()

const source = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' })
  .filter((name) => /\.(ts|vue)$/.test(name) && !name.endsWith('messages.ts'))
  .map((name) => readFileSync(new URL(name, SOURCE), 'utf8'))
  .join('\n')

describe('the words', () => {
  it.each(all)('%s is in Chinese and in English', (_key, { zh, en }) => {
    expect(zh).toMatch(HAN)
    expect(en).toMatch(/[A-Za-z]/)
    expect(en).not.toMatch(HAN)
  })

  it.each(all)('%s has the same values in both languages', (_key, { zh, en }) => {
    expect(holes(en)).toEqual(holes(zh))
  })

  it.each(all)('%s is used', (key) => {
    expect(new RegExp(`['"]${key}['"]`).test(source)).toBe(true)
  })

  it('stand in no template without a key', () => {
    const templates = [...source.matchAll(/<template>\n([\s\S]*?)\n<\/template>/g)].map((found) => found[1] ?? '')
    const bare = templates.flatMap((template) => template.split('\n')).filter((line) => HAN.test(line) && !line.includes("'EN' : '中文'"))
    expect(bare).toEqual([])
  })

  it('are filled in, in the language that is asked for', () => {
    const seat = { zh: '辩护人', en: 'Defence counsel' }
    expect(say('alarmLost', { seat }, 'zh')).toBe('“辩护人”连接中断')
    expect(say('alarmLost', { seat }, 'en')).toContain('Defence counsel')
    expect(say('checkRoundTrip', { ms: 12 }, 'en')).toBe('round trip 12 ms')
  })
})
