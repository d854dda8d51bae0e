// Runs in the page before its own scripts: answers the media offer with a second peer connection in the same page, whose
// tracks are drawn people. So the real offer meets a real browser's answer without any server.

;(() => {
  const COLOURS = ['#7b8fa8', '#9b7a5a', '#5f8f7a', '#8a6f9e', '#6d7f57', '#a0695f', '#5a86a8', '#97895a']
  const answerers = []

  function person(seat, kind) {
    const canvas = document.createElement('canvas')
    canvas.width = 640
    canvas.height = 360
    const draw = canvas.getContext('2d')
    let tick = 0
    setInterval(() => {
      tick += 1
      if (kind === 'screen') return page(draw, tick)
      draw.fillStyle = '#2b3646'
      draw.fillRect(0, 0, 640, 360)
      draw.fillStyle = '#3a4759'
      draw.fillRect(0, 0, 640, 60 + seat * 12)
      const sway = Math.sin(tick / 12 + seat) * 4
      draw.fillStyle = COLOURS[seat % COLOURS.length]
      draw.beginPath()
      draw.ellipse(320 + sway, 360, 150, 140, 0, 0, 7)
      draw.fill()
      draw.fillStyle = '#d9b79a'
      draw.beginPath()
      draw.ellipse(320 + sway, 165, 62, 78, 0, 0, 7)
      draw.fill()
    }, 100)
    return canvas.captureStream(10).getVideoTracks()[0]
  }

  function page(draw, tick) {
    draw.fillStyle = '#fff'
    draw.fillRect(0, 0, 640, 360)
    draw.fillStyle = '#1d2d3f'
    draw.font = '26px sans-serif'
    draw.fillText('证据三：现场照片', 40, 60)
    for (let line = 0; line < 8; line += 1) draw.fillRect(40, 90 + line * 26, 420 + ((line * 53 + tick) % 120), 8)
  }

  function tone() {
    const context = new AudioContext()
    const target = context.createMediaStreamDestination()
    const oscillator = context.createOscillator()
    oscillator.connect(target)
    oscillator.start()
    return target.stream.getAudioTracks()[0]
  }

  async function answer(offer) {
    for (const old of answerers.splice(0)) old.close()
    const peer = new RTCPeerConnection()
    answerers.push(peer)
    await peer.setRemoteDescription({ type: 'offer', sdp: offer.sdp })
    for (const { mid, seat, kind } of offer.slots) {
      const transceiver = peer.getTransceivers().find((one) => one.mid === mid)
      transceiver.direction = 'sendonly'
      await transceiver.sender.replaceTrack(kind === 'audio' ? tone() : person(seat, kind))
    }
    await peer.setLocalDescription(await peer.createAnswer())
    await new Promise((resolve) => {
      if (peer.iceGatheringState === 'complete') resolve()
      peer.onicegatheringstatechange = () => { if (peer.iceGatheringState === 'complete') resolve() }
      setTimeout(resolve, 2000)
    })
    return peer.localDescription.sdp
  }

  const real = window.fetch
  window.fetch = async (input, init) => {
    const response = await real(input, init)
    if (!String(input).endsWith('/media') || init?.method !== 'POST') return response
    const sdp = await answer(JSON.parse(init.body))
    return new Response(JSON.stringify({ sdp }), { status: 201, headers: { 'content-type': 'application/json' } })
  }
  window.breakMedia = () => { for (const peer of answerers.splice(0)) peer.close() }
})()
