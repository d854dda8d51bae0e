// Keeps the screen of a phone on during the hearing, where the browser can.

export function keepAwake(): void {
  const request = (): void => {
    const { wakeLock } = navigator as Partial<Navigator>
    if (document.visibilityState === 'visible') void wakeLock?.request('screen').catch(() => undefined)
  }
  request()
  // The browser lets go of the lock whenever the page is hidden.
  document.addEventListener('visibilitychange', request)
}
