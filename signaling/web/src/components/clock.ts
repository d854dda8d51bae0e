// The time of day, once a second.

import { onScopeDispose, readonly, ref, type Ref } from 'vue'

export function useNow(): Readonly<Ref<number>> {
  const now = ref(Date.now())
  const timer = setInterval(() => { now.value = Date.now() }, 1_000)
  onScopeDispose(() => { clearInterval(timer) })
  return readonly(now)
}

/** `09:05:07` by the local clock. */
export function timeOfDay(ms: number): string {
  const date = new Date(ms)
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':')
}

/** `1:02:03` from milliseconds; never negative. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000))
  return `${Math.floor(seconds / 3_600).toString()}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`
}

const two = (value: number): string => value.toString().padStart(2, '0')
