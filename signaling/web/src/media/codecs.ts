// Which codecs the page offers: what every other end can be given without transcoding, in the order of preference.

/** For sound Opus, and behind it Opus that carries what came before (RED), which the server uses where packets are lost; VP8, then H.264 constrained baseline mode 1, for pictures; each with its retransmission. */
export function preferred(codecs: readonly RTCRtpCodec[]): RTCRtpCodec[] {
  return codecs
    .filter((codec) => rank(codec) >= 0)
    .map((codec, place) => ({ codec, place }))
    .sort((a, b) => rank(a.codec) - rank(b.codec) || a.place - b.place)
    .map(({ codec }) => codec)
}

/** Applies the preference where the browser has a say; without it the server picks from all that is offered. */
export function prefer(transceiver: RTCRtpTransceiver, kind: 'audio' | 'video'): void {
  const codecs = preferred(RTCRtpReceiver.getCapabilities(kind)?.codecs ?? [])
  if (codecs.length === 0 || typeof transceiver.setCodecPreferences !== 'function') return
  try {
    transceiver.setCodecPreferences(codecs)
  } catch {
    // Older browsers refuse a list that their sender does not share; the order is then the browser's.
  }
}

function rank(codec: RTCRtpCodec): number {
  const fmtp = codec.sdpFmtpLine ?? ''
  switch (codec.mimeType.toLowerCase()) {
    case 'audio/opus':
    case 'video/vp8':
      return 0
    case 'video/h264':
      return /packetization-mode=1/.test(fmtp) && /profile-level-id=42(e0|c0)/i.test(fmtp) ? 1 : -1
    case 'video/rtx':
      return 2
    case 'audio/red':
      return 3
    default:
      return -1
  }
}
