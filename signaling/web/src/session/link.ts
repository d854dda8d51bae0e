// What the page knows before it talks to anybody: the link, and the number that names this device.

export interface JoinLink {
  hearing: string
  token: string
  /** Join without a click: rehearsals, kiosks, tests. */
  auto: boolean
}

/** Reads `/h/{hearing}?auto=1#t={token}`; null when the address is no such link. */
export function parseLink(address: string): JoinLink | null {
  const url = new URL(address)
  const hearing = /^\/h\/([^/]+)\/?$/.exec(url.pathname)?.[1]
  const token = new URLSearchParams(url.hash.slice(1)).get('t')
  if (hearing === undefined || token === null || !/^[\w-]{43}$/.test(token)) return null
  return { hearing: decodeURIComponent(hearing), token, auto: url.searchParams.get('auto') === '1' }
}

/** The number by which the server knows this device again; made once and kept. */
export function deviceNumber(
  store: Pick<Storage, 'getItem' | 'setItem'> = localStorage,
  random: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array = (bytes) => crypto.getRandomValues(bytes),
): string {
  const kept = store.getItem(DEVICE_KEY)
  if (kept !== null && /^[\w-]{22}$/.test(kept)) return kept
  const made = base64url(random(new Uint8Array(16)))
  store.setItem(DEVICE_KEY, made)
  return made
}

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '')
}

const DEVICE_KEY = 'hearing.device'
