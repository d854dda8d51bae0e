//! The seats that are open for terminals that call, and which of them a call is for: a terminal that dials the code of a hearing
//! is meant for its seat there, one that dials anything else for any seat of its own.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hearing_config::HearingId;
use rsipstack::sip::StatusCode;
use tokio::sync::mpsc::{OwnedPermit, Sender};

/// Open seats, by the user of the terminal that they are for.
pub(super) struct Seats<C> {
    state: Mutex<State<C>>,
}

struct State<C> {
    /// Hearings that sit at this node.
    hearings: HashMap<HearingId, u32>,
    open: Vec<(u64, String, HearingId, Sender<C>)>,
    next: u64,
}

/// A seat that awaits a call, or a hearing whose code is known; not any more when it is dropped.
pub(super) struct Known<'a, C> {
    seats: &'a Seats<C>,
    what: What,
}

enum What {
    Seat(u64),
    Hearing(HearingId),
}

impl<C> Default for Seats<C> {
    fn default() -> Self {
        Self { state: Mutex::new(State { hearings: HashMap::new(), open: Vec::new(), next: 0 }) }
    }
}

impl<C> Seats<C> {
    /// A hearing sits here: its code can be dialled.
    pub(super) fn sit(&self, hearing: HearingId) -> Known<'_, C> {
        *self.state().hearings.entry(hearing).or_default() += 1;
        Known { seats: self, what: What::Hearing(hearing) }
    }

    /// The terminal `user` may call into `hearing`.
    pub(super) fn open(&self, user: &str, hearing: HearingId, calls: Sender<C>) -> Known<'_, C> {
        let mut state = self.state();
        state.next += 1;
        let number = state.next;
        state.open.push((number, user.to_owned(), hearing, calls));
        Known { seats: self, what: What::Seat(number) }
    }

    /// The seat for a call of `user`, who dialled `number`.
    ///
    /// # Errors
    /// 404 for a code of no hearing and for a terminal without a seat, 403 when the hearing has no seat for this terminal, 486
    /// when the terminal is on its seat already.
    pub(super) fn find(&self, user: &str, number: Option<&str>) -> Result<OwnedPermit<C>, StatusCode> {
        let state = self.state();
        let code = number.filter(|number| is_code(number));
        if code.is_some_and(|code| state.hearings.keys().all(|hearing| hearing.code() != code)) {
            return Err(StatusCode::NotFound);
        }
        let own =
            state.open.iter().filter(|(_, of, hearing, _)| of == user && code.is_none_or(|c| hearing.code() == c));
        let mut own = own.map(|(.., calls)| calls).peekable();
        if own.peek().is_none() {
            return Err(if code.is_some() { StatusCode::Forbidden } else { StatusCode::NotFound });
        }
        own.find_map(|calls| calls.clone().try_reserve_owned().ok()).ok_or(StatusCode::BusyHere)
    }

    /// The hearing that has a seat for this terminal now.
    pub(super) fn hearing_of(&self, user: &str) -> Option<HearingId> {
        self.state().open.iter().find(|(_, of, ..)| of == user).map(|(_, _, hearing, _)| *hearing)
    }

    fn state(&self) -> MutexGuard<'_, State<C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C> Drop for Known<'_, C> {
    fn drop(&mut self) {
        let mut state = self.seats.state();
        match self.what {
            What::Seat(number) => state.open.retain(|(n, ..)| *n != number),
            What::Hearing(hearing) => {
                let left = state.hearings.get(&hearing).map_or(0, |count| count - 1);
                if left == 0 {
                    state.hearings.remove(&hearing);
                } else {
                    state.hearings.insert(hearing, left);
                }
            }
        }
    }
}

/// Whoever dials a number means a hearing; whoever dials a name, the node.
fn is_code(number: &str) -> bool {
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    #[test]
    fn a_code_leads_to_the_terminals_own_seat_of_that_hearing_and_to_no_other() {
        let (seats, [first, second]) = (Seats::<()>::default(), [HearingId::random(), HearingId::random()]);
        let _sit = [seats.sit(first), seats.sit(second)];
        let (calls, _incoming) = mpsc::channel(1);
        let open = seats.open("room3", first, calls);
        assert!(seats.find("room3", Some(&first.code())).is_ok());
        assert!(seats.find("room3", Some("hearing")).is_ok() && seats.find("room3", None).is_ok());
        let refused = |user: &str, number: &str| seats.find(user, Some(number)).err();
        assert_eq!(refused("room3", &second.code()), Some(StatusCode::Forbidden));
        assert_eq!(refused("room4", &first.code()), Some(StatusCode::Forbidden));
        assert_eq!(refused("room3", "0"), Some(StatusCode::NotFound));
        assert_eq!(refused("room4", "hearing"), Some(StatusCode::NotFound));
        drop(open);
        assert_eq!(refused("room3", &first.code()), Some(StatusCode::Forbidden));
    }

    #[test]
    fn a_terminal_on_its_seat_is_busy_and_one_with_two_seats_gets_the_free_one() {
        let (seats, [first, second]) = (Seats::<u8>::default(), [HearingId::random(), HearingId::random()]);
        let _sit = [seats.sit(first), seats.sit(second)];
        let ((calls, taken), (others, _free)) = (mpsc::channel(1), mpsc::channel(1));
        let _open = seats.open("room3", first, calls);
        drop(taken);
        assert_eq!(seats.find("room3", None).err(), Some(StatusCode::BusyHere));
        let _other = seats.open("room3", second, others);
        assert!(seats.find("room3", None).is_ok());
        assert_eq!(seats.find("room3", Some(&first.code())).err(), Some(StatusCode::BusyHere));
    }

    #[test]
    fn the_code_of_a_hearing_that_is_over_is_unknown() {
        let (seats, hearing) = (Seats::<()>::default(), HearingId::random());
        drop((seats.sit(hearing), seats.sit(hearing)));
        assert_eq!(seats.find("room3", Some(&hearing.code())).err(), Some(StatusCode::NotFound));
    }
}
