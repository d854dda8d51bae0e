// A peer connection that does nothing but keep the rules of RTCPeerConnection that the page relies on.

export class FakeTransceiver {
  mid: string | null = null
  readonly receiver: { track: { kind: string } }
  readonly sender: {
    track: unknown
    replaceTrack: (track: unknown) => Promise<void>
    getParameters: () => RTCRtpSendParameters
    setParameters: (parameters: RTCRtpSendParameters) => Promise<void>
  }

  constructor(
    readonly kind: string,
    track: unknown,
    readonly init: RTCRtpTransceiverInit,
  ) {
    this.receiver = { track: { kind } }
    const sender = {
      track,
      replaceTrack: (next: unknown): Promise<void> => {
        sender.track = next
        return Promise.resolve()
      },
      getParameters: () => ({ encodings: structuredClone(init.sendEncodings ?? []) }) as RTCRtpSendParameters,
      setParameters: (parameters: RTCRtpSendParameters): Promise<void> => {
        init.sendEncodings = parameters.encodings
        return Promise.resolve()
      },
    }
    this.sender = sender
  }
}

export class FakePeer {
  readonly transceivers: FakeTransceiver[] = []
  connectionState: RTCPeerConnectionState = 'new'
  onconnectionstatechange: (() => void) | null = null
  localDescription: { type: string; sdp: string } | null = null
  remote: RTCSessionDescriptionInit | null = null
  closed = false

  addTransceiver(trackOrKind: MediaStreamTrack | string, init: RTCRtpTransceiverInit): FakeTransceiver {
    const made =
      typeof trackOrKind === 'string'
        ? new FakeTransceiver(trackOrKind, null, init)
        : new FakeTransceiver(trackOrKind.kind, trackOrKind, init)
    this.transceivers.push(made)
    return made
  }

  createOffer(): Promise<RTCSessionDescriptionInit> {
    return Promise.resolve({ type: 'offer', sdp: 'offer' })
  }

  // Mids exist from here on, as in browsers.
  setLocalDescription(description: RTCSessionDescriptionInit): Promise<void> {
    for (const [place, transceiver] of this.transceivers.entries()) transceiver.mid = place.toString()
    this.localDescription = { type: 'offer', sdp: description.sdp ?? '' }
    return Promise.resolve()
  }

  setRemoteDescription(description: RTCSessionDescriptionInit): Promise<void> {
    this.remote = description
    return Promise.resolve()
  }

  becomes(state: RTCPeerConnectionState): void {
    this.connectionState = state
    this.onconnectionstatechange?.()
  }

  close(): void {
    this.closed = true
  }
}
