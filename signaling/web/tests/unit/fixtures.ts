// Seats, views and sockets for the tests.

import type { HearingView, LiveSeat, SeatView, ServerMessage } from '../../src/api/model'
import type { SocketLike } from '../../src/session/line'

export function seat(id: number, name: string, more: Partial<SeatView> = {}): SeatView {
  return {
    id,
    name,
    title: name,
    title_en: name,
    role: 'counsel',
    zone: 'internet',
    presence: 'connected',
    identity: null,
    muted: false,
    apart: false,
    hand: false,
    microphone_off: false,
    camera_off: false,
    left: false,
    required: [],
    ...more,
  }
}

export function view(more: Partial<HearingView> = {}): HearingView {
  return {
    id: '7f9c2ba4-e88f-427d-9aa8-7f1f0e4b0f53',
    case: '(2022)内0291刑初123号',
    template: 'criminal',
    phase: 'in-session',
    opened_at: 1,
    seats: [seat(0, 'judge', { role: 'judge' }), seat(1, 'counsel')],
    record: { state: 'running', tracks: [], fault: null, warning: null, proof: { binding: null, integrity: null, witness: null } },
    floor: null,
    seq: 5,
    ...more,
  }
}

export function live(id: number, more: Partial<LiveSeat> = {}): LiveSeat {
  const quality = { up_kbps: 0, down_kbps: 0, loss_up: 0, loss_down: 0, rtt_ms: 0, line_kbps: 0, relief: 'nothing' as const }
  return { seat: id, speaking: false, quality, tracks: ['audio', 'video'], recorded: [], ...more }
}

/** A WebSocket whose other end is the test. */
export class FakeSocket implements SocketLike {
  onopen: (() => void) | null = null
  onmessage: ((event: { data: unknown }) => void) | null = null
  onclose: (() => void) | null = null
  readonly sent: unknown[] = []
  closed = false

  send(text: string): void {
    this.sent.push(JSON.parse(text))
  }

  close(): void {
    this.closed = true
  }

  says(message: ServerMessage): void {
    this.onmessage?.({ data: JSON.stringify(message) })
  }

  of(type: string): unknown[] {
    return this.sent.filter((message) => (message as { type: string }).type === type)
  }
}
