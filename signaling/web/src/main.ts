// Starts the page: reads the link, makes the session, mounts the app.

import './styles'
import { createApp, h, type VNode } from 'vue'
import { Api } from './api/http'
import HearingApp from './App.vue'
import Ended from './pages/Ended.vue'
import { RecordApi } from './playback/api'
import { isViewAddress, parseViewLink } from './playback/link'
import PlaybackApp from './PlaybackApp.vue'
import { expose } from './session/diagnostics'
import { deviceNumber, parseLink } from './session/link'
import { Session } from './session/session'
import { SESSION } from './session/use'

const link = parseLink(location.href)
const view = parseViewLink(location.href)

function root(): VNode {
  if (view !== null) return h(PlaybackApp, { api: new RecordApi(view) })
  if (link === null || isViewAddress(location.href)) return h(Ended, { why: 'link' })
  const session = new Session(new Api(link.hearing), link, deviceNumber())
  expose(session)
  if (link.auto) void session.prepare()
  app.provide(SESSION, session)
  return h(HearingApp)
}

const app = createApp({ render: () => shown })
const shown = root()
app.mount('#app')
// Another link pasted into the same tab is another seat.
window.addEventListener('hashchange', () => { location.reload() })
