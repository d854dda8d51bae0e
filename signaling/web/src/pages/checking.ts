// The measurements of the self-check, taken several times a second.

import { computed, onScopeDispose, shallowRef, watch, type ComputedRef, type Ref } from 'vue'
import { check, type Checked } from '../media/check'
import { LevelMeter } from '../media/level'
import { PictureMeter } from '../media/picture'
import type { Session } from '../session/session'

export interface Checking {
  checked: ComputedRef<Checked>
  /** The microphone's level now, 0 to 100. */
  level: Readonly<Ref<number>>
  /** The preview whose picture is measured. */
  preview: Ref<HTMLVideoElement | null>
  heard: Ref<boolean | null>
}

export function useChecking(session: Session): Checking {
  const own = session.own.state
  const preview = shallowRef<HTMLVideoElement | null>(null)
  const heard = shallowRef<boolean | null>(null)
  const level = shallowRef(0)
  const peakDb = shallowRef(QUIET_DB)
  const brightness = shallowRef<number | null>(null)
  const picture = new PictureMeter()
  let meter: LevelMeter | null = null

  watch(
    () => own.audio,
    (track) => {
      meter?.close()
      meter = track === null ? null : new LevelMeter(track)
      peakDb.value = QUIET_DB
    },
    { immediate: true },
  )

  const timer = setInterval(() => {
    const db = meter?.read() ?? QUIET_DB
    level.value = Math.round(Math.min(100, Math.max(0, ((db + 60) / 60) * 100)))
    peakDb.value = Math.max(db, peakDb.value - PEAK_FALL_DB)
    brightness.value = preview.value === null || own.video === null ? null : picture.read(preview.value)
  }, EVERY_MS)
  onScopeDispose(() => {
    clearInterval(timer)
    meter?.close()
  })

  const checked = computed(() =>
    check({
      camera: own.video === null ? null : { width: own.video.getSettings().width ?? 0, brightness: brightness.value },
      microphone: own.audio === null ? null : { peakDb: peakDb.value },
      speaker: heard.value,
      roundTripMs: session.state.roundTripMs,
    }),
  )
  return { checked, level, preview, heard }
}

const EVERY_MS = 100
const QUIET_DB = -100
/** The peak falls slowly, so that one sentence counts for the rest of the check. */
const PEAK_FALL_DB = 0.05
