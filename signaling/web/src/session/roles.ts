// What a role means for the page. The server decides what is allowed; this only chooses what is shown.

import type { Role } from '../api/model'

/** True when the seat gets the courtroom's page. */
export const isCourt = (role: Role): boolean => role === 'judge' || role === 'clerk'

/** True when the seat sends sound and picture. */
export const publishes = (role: Role): boolean => role !== 'observer' && role !== 'technician'

/** True when the seat waits apart until it is called. */
export const isCalled = (role: Role): boolean => role === 'witness' || role === 'expert'
