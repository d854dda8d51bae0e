// A link to a record: `/p/{hearing}#t={token}`.

export interface ViewLink {
  hearing: string
  token: string
}

/** Reads the address; null when it is no such link. */
export function parseViewLink(address: string): ViewLink | null {
  const url = new URL(address)
  const hearing = /^\/p\/([^/]+)\/?$/.exec(url.pathname)?.[1]
  const token = new URLSearchParams(url.hash.slice(1)).get('t')
  if (hearing === undefined || token === null || !/^[\w-]{43}$/.test(token)) return null
  return { hearing: decodeURIComponent(hearing), token }
}

/** True for every address of the playback page, also one without a usable secret. */
export const isViewAddress = (address: string): boolean => new URL(address).pathname.startsWith('/p/')
