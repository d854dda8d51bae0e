// Both languages at once: Chinese first by default, the other one beside it.

import { ref } from 'vue'
import { messages, type MessageKey } from './messages'

export type Language = 'zh' | 'en'
/** A value in a text: the same in both languages, or one for each. */
export type Argument = string | number | Record<Language, string>
export type Arguments = Record<string, Argument>

/** The language that stands first. */
export const language = ref<Language>('zh')

export const other = (first: Language): Language => (first === 'zh' ? 'en' : 'zh')

/** One text in one language. */
export function say(key: MessageKey, values: Arguments = {}, tongue: Language = language.value): string {
  return messages[key][tongue].replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name]
    if (value === undefined) return whole
    return typeof value === 'object' ? value[tongue] : value.toString()
  })
}

/** One text in both languages on one line, for places that take plain text only. */
export function sayBoth(key: MessageKey, values: Arguments = {}): string {
  return `${say(key, values)} ${say(key, values, other(language.value))}`
}

/** A text as the value of another text. */
export const both = (key: MessageKey): Record<Language, string> => messages[key]
