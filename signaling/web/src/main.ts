// Starts the page: reads the link, makes the session, mounts the app.

import './styles'
import { createApp, h } from 'vue'
import { Api } from './api/http'
import App from './App.vue'
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

if (view !== null) {
  createApp(PlaybackApp, { api: new RecordApi(view) }).mount('#app')
} else if (link === null || isViewAddress(location.href)) {
  createApp({ render: () => h(Ended, { why: 'link' }) }).mount('#app')
} else {
  const session = new Session(new Api(link.hearing), link, deviceNumber())
  expose(session)
  createApp(App).provide(SESSION, session).mount('#app')
  if (link.auto) void session.prepare()
}
// Another link pasted into the same tab is another seat.
window.addEventListener('hashchange', () => { location.reload() })
