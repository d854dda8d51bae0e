// Whether the screen is a phone's.

import { onScopeDispose, readonly, ref, type Ref } from 'vue'

export function useNarrow(): Readonly<Ref<boolean>> {
  const query = window.matchMedia('(max-width: 760px)')
  const narrow = ref(query.matches)
  const follow = (): void => { narrow.value = query.matches }
  query.addEventListener('change', follow)
  onScopeDispose(() => { query.removeEventListener('change', follow) })
  return readonly(narrow)
}
