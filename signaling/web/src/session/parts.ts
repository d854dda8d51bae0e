// What a media connection needs of the rest of the page.

import type { Api } from '../api/http'
import { prefer } from '../media/codecs'
import type { MediaParts } from '../media/link'
import { bytesReceived } from '../media/pulse'
import type { Relays } from './relays'

/** `session` is the secret of the stay, asked anew for every call because the device may join again. */
export const mediaParts = (api: Api, session: () => string, relays: Relays): MediaParts => ({
  configuration: () => ({ bundlePolicy: 'max-bundle', iceServers: relays.servers }),
  peer: (configuration) => new RTCPeerConnection(configuration),
  post: (offer) => api.offer(session(), offer),
  restart: (sdp) => api.restart(session(), sdp),
  received: bytesReceived,
  prefer,
})
