// Asks something of the hearing and shows why when it was not done; asks the person first where it matters.

import { ElMessage, ElMessageBox } from 'element-plus'
import { ref, type Ref } from 'vue'
import type { Action } from '../api/model'
import type { MessageKey } from '../i18n/messages'
import { language, say, sayBoth, type Arguments } from '../i18n/speak'
import { useSession } from '../session/use'

export interface Acting {
  busy: Readonly<Ref<boolean>>
  act(action: Action): Promise<boolean>
  /** Acts after the person has confirmed. */
  confirmed(action: Action, question: MessageKey, values?: Arguments): Promise<boolean>
}

export function useActing(): Acting {
  const session = useSession()
  const busy = ref(false)

  async function act(action: Action): Promise<boolean> {
    busy.value = true
    const problem = await session.act(action)
    busy.value = false
    if (problem === null) return true
    const words = [problem.message_zh, problem.message]
    ElMessage.error({ message: (language.value === 'zh' ? words : words.reverse()).join(' · '), duration: 6_000, showClose: true })
    return false
  }

  async function confirmed(action: Action, question: MessageKey, values: Arguments = {}): Promise<boolean> {
    return (await ask(question, values)) && act(action)
  }

  return { busy, act, confirmed }
}

/** A yes-or-no question in both languages. */
export async function ask(question: MessageKey, values: Arguments = {}): Promise<boolean> {
  const second = language.value === 'zh' ? 'en' : 'zh'
  const answer = await ElMessageBox.confirm(say(question, values, second), say(question, values), {
    confirmButtonText: sayBoth('confirm'),
    cancelButtonText: sayBoth('cancel'),
    customClass: 'ask',
    autofocus: false,
  }).catch(() => null)
  return answer !== null
}
